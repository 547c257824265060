"""`evaluate`: how good the samples of a model are."""

import argparse

from ..config import CHOICES
from ..files.environment import user_path
from ..files.strict_json import to_json
from .flags import add_sampling

SUMMARY = "score the samples of a model against real images"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_sampling(parser)
    parser.add_argument(
        "--interval",
        type=float,
        nargs=2,
        default=(0.0, 1.0),
        metavar="T",
        help="range of times t in which guidance is applied (default: 0 1)",
    )
    count = parser.add_mutually_exclusive_group()
    count.add_argument(
        "--samples",
        type=int,
        default=1000,
        metavar="n",
        help="number of samples, spread evenly over the classes (default: 1000)",
    )
    count.add_argument(
        "--per-class",
        type=int,
        metavar="n",
        help="number of samples per class, instead of --samples",
    )
    parser.add_argument(
        "--extractor",
        metavar="NAME",
        help=f"feature extractor, one of {', '.join(CHOICES['extractor'])} "
        "(default: the judge of the data set, else inception-v3)",
    )
    parser.add_argument(
        "--reference",
        metavar="DATA",
        help="real images: a data set or folder, digits:test for held-out ones, or a "
        "saved reference",
    )
    parser.add_argument(
        "--scores",
        nargs="+",
        metavar="NAME",
        help="scores to compute (default: all available; an unknown name lists them)",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=50,
        metavar="n",
        help="random draws for the interval of a score (default: 50)",
    )
    parser.add_argument("--out", metavar="JSON", help="file to write the report to")
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of a table"
    )


def run(options: argparse.Namespace) -> None:
    """Sample a model and score the images against real ones, with intervals, next to
    the same scores for other real images. Processes started by torchrun share the
    sampling.
    """
    from ..data import DATASETS
    from ..distributed import launch
    from ..distributed.sampling import sample_together
    from ..evaluation import evaluate_model
    from ..files.pretrained import origin_of
    from ..files.writing import write
    from ..training.checkpoint import load
    from ..training.precision import pick_device

    out = user_path(options.out, "out") if options.out else None
    if out and out.is_dir():
        raise ValueError(f"--out {out} is a directory; name a file")
    several = launch.world_size() > 1
    device = pick_device(launch.local_device("auto"))
    model = load(options.checkpoint, device)
    samples = (
        options.samples
        if options.per_class is None
        else options.per_class * model.config.num_classes
    )
    origin = origin_of(options.checkpoint)
    # a shipped model has the name of its data
    data = (
        options.checkpoint
        if origin is None and options.checkpoint in DATASETS
        else None
    )
    asked = {
        name: getattr(options, name)
        for name in (
            "guidance",
            "steps",
            "sampler",
            "seed",
            "extractor",
            "reference",
            "scores",
            "repeats",
        )
    }
    with launch.if_several(device):
        report = evaluate_model(
            model,
            data,
            samples,
            interval=tuple(options.interval),
            origin=origin,
            progress=not launch.rank(),
            draw=sample_together if several else None,
            **asked,
        )
    if launch.rank():
        return  # only the first of several processes prints
    text = to_json(report.to_dict(), indent=2)
    if out:
        write(out, (text + "\n").encode())
    print(text if options.json else report)
