"""`train`: train a model. Its flags are the fields of the configurations."""

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path

from ..config import CPU_RECIPES, DiTConfig, TrainConfig
from .flags import add_fields

#: Fields of the model that the data or other flags decide; `train` offers the others.
DECIDED = (
    "image_size", "channels", "num_classes", "class_names", "position_extent",
    "null_class", "condition", "words", "vocab_size", "caption_length",
    "feature_width", "autoencoder", "caption_parts", "token_scales",
)  # fmt: skip
MODEL_FLAGS = [
    field.name for field in dataclasses.fields(DiTConfig) if field.name not in DECIDED
]
SUMMARY = "train a model on digits, shapes, cifar10, imagenet64 or a folder"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        metavar="DATA",
        help="digits, shapes, cifar10, imagenet64, or a folder with one sub-folder of "
        "images per class, or with latents (data encode)",
    )
    add_fields(parser, TrainConfig, skip=("data", "model", "changes"))
    add_fields(
        parser.add_argument_group("model settings that override the preset"),
        DiTConfig,
        only=MODEL_FLAGS,
        unset=True,
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        choices=("auto",),
        metavar="auto",
        help="continue the run in --out, bit for bit; with more --steps, train longer. "
        "auto: continue the run if there is one, else start it",
    )


def run(options: argparse.Namespace) -> None:
    """Train a model. Settings that are not given come from the data set's recipe."""
    from ..data import DATASETS
    from ..distributed import launch
    from ..distributed import trainer as parallel
    from ..files.pretrained import as_written
    from ..training import train
    from ..training.precision import pick_device

    given = vars(options)
    on_cpu, by_device = (
        # its own GPU: a look at the first one would take memory there
        pick_device(launch.local_device(options.device)).type == "cpu",
        options.budget is None,
    )
    fields = {
        f.name: given[f.name]
        for f in dataclasses.fields(TrainConfig)
        if f.name in given
    }
    fields |= {
        "out": options.out or f"runs/{Path(options.data).name}",
        "budget": options.budget or ("cpu" if on_cpu else "gpu"),
    }
    config = TrainConfig(
        **fields, changes={name: given[name] for name in MODEL_FLAGS if name in given}
    )
    of_ones_own = config.data not in DATASETS and Path(config.data).is_dir()
    recipe = of_ones_own or config.data in CPU_RECIPES
    if on_cpu and by_device and recipe and not launch.rank():
        size = " ".join(
            [
                config.preset or f"the model of {config.init_from}",
                *(f"{name}={value}" for name, value in config.changes.items()),
            ]
        )
        print(
            f"note: no GPU, so this uses the recipe of --budget cpu: {size}, "
            f"{config.steps:,} steps of {config.batch_size} images",
            file=sys.stderr,
        )
    if config.parallel and launch.world_size() == 1:
        print(
            f"note: one process, so --parallel {config.parallel} divides nothing; to "
            "start two: torchrun --nproc-per-node 2 -m dit_lite train ...",
            file=sys.stderr,
        )
    if parallel.needed(config):
        train = parallel.train
    trained = train(config, resume=options.resume)
    if launch.rank():
        return  # only the first of several processes prints
    last = trained.metrics[-1]
    print(
        f"{trained.directory}: {last['step']} steps, {last['images']:,} images, "
        f"{last['seconds']:.1f} s, loss {last['loss']:.4f}"
    )
    checkpoint = shlex.quote(as_written(trained.directory))
    print(f"sample with: python -m dit_lite sample --checkpoint {checkpoint}")
