"""The command line: train, sample, evaluate, card, bench, data, experiment. Its
flags are the fields of the configurations.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path

from .config import CHOICES, CPU_RECIPES, PRESETS, RECIPE_FIELDS, DiTConfig, TrainConfig

#: Fields of the model that `train` offers as flags; the data decide the others.
MODEL_FLAGS = (
    "patch_size", "width", "depth", "heads", "mlp_ratio", "mlp", "long_skips",
    "conditioning", "attention", "position", "qk_norm", "path", "objective",
    "learn_variance",
    "data_mean", "data_std",
)  # fmt: skip
#: What a flag is called and says here, where that is not what the field is called and
#: says.
METAVARS = {
    "out": "DIR",
    "warmup": "STEPS",
    "save_every": "STEPS",
    "log_every": "STEPS",
    "label_dropout": "SHARE",
}
HELP = {"out": "directory of the run (default: runs/DATA)"}
#: What decides a field that is left open.
DECIDED_BY = dict.fromkeys(RECIPE_FIELDS, "data set") | {"budget": "device"}
#: Below so many pictures in a folder, learning by heart is likely enough to be
#: mentioned.
FEW_PICTURES = 500


class Parser(argparse.ArgumentParser):
    """Wrong use is one line on standard error and exit status 2."""

    def error(self, message: str) -> typing.NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed, 2 wrong use, 130
    stopped by Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt as stop:
        return _say(options, str(stop) or "stopped", 130)
    except (ValueError, TypeError, FileNotFoundError) as error:
        from .training import DivergedError

        return _say(options, str(error), 1 if isinstance(error, DivergedError) else 2)


def _say(options: argparse.Namespace, text: str, status: int) -> int:
    print(f"dit_lite {options.command}: {' '.join(text.split())}", file=sys.stderr)
    return status


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="dit_lite", description="Train, sample and measure Diffusion Transformers."
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    command = commands.add_parser(
        "train",
        help="train a model on digits, cifar10, imagenet64 or a folder",
        description=_train.__doc__,
    )
    command.add_argument(
        "data",
        metavar="DATA",
        help="digits, cifar10, imagenet64, or a folder with one sub-folder of images "
        "a class",
    )
    _add_fields(command, TrainConfig, skip=("data", "model", "changes"))
    _add_fields(
        command.add_argument_group("the model, where it differs from the preset"),
        DiTConfig,
        only=MODEL_FLAGS,
        unset=True,
    )
    command.add_argument(
        "--resume", action="store_true", help="continue the run in --out, bit for bit"
    )
    command.set_defaults(run=_train)

    command = commands.add_parser(
        "sample",
        help="make images and write them as a PNG grid",
        description=_sample.__doc__,
    )
    _add_sampling(command)
    command.add_argument(
        "--label",
        nargs="+",
        metavar="CLASS",
        help="classes to draw, by name or number; a name goes first (default: all of "
        "them)",
    )
    command.add_argument(
        "--count",
        type=int,
        default=8,
        metavar="n",
        help="images of each class (default: 8)",
    )
    command.add_argument(
        "--out",
        default="grid.png",
        metavar="PNG",
        help="where the grid goes: a row a class (default: grid.png)",
    )
    command.set_defaults(run=_sample)

    command = commands.add_parser(
        "evaluate",
        help="score the samples of a model beside real images",
        description=_evaluate.__doc__,
    )
    _add_sampling(command)
    command.add_argument(
        "--interval",
        type=float,
        nargs=2,
        default=(0.0, 1.0),
        metavar="T",
        help="the t between which guidance acts (default: 0 1)",
    )
    count = command.add_mutually_exclusive_group()
    count.add_argument(
        "--samples",
        type=int,
        default=1000,
        metavar="n",
        help="samples, spread evenly over the classes (default: 1000)",
    )
    count.add_argument(
        "--per-class",
        type=int,
        metavar="n",
        help="samples of each class, instead of a number of all",
    )
    command.add_argument(
        "--extractor",
        metavar="NAME",
        help=f"what sees the images, one of {', '.join(CHOICES['extractor'])} "
        "(default: the judge of the data set, else inception-v3)",
    )
    command.add_argument(
        "--reference",
        metavar="DATA",
        help="real images: a data set or folder, digits:test for held-out ones, or a "
        "saved reference",
    )
    command.add_argument(
        "--scores",
        nargs="+",
        metavar="NAME",
        help="which scores (default: all that can be had; a wrong name lists them)",
    )
    command.add_argument(
        "--repeats",
        type=int,
        default=50,
        metavar="n",
        help="draws for the interval of a score (default: 50)",
    )
    command.add_argument(
        "--out", type=Path, metavar="JSON", help="a file for the report"
    )
    command.add_argument(
        "--json", action="store_true", help="print JSON instead of a table"
    )
    command.set_defaults(run=_evaluate)

    command = commands.add_parser(
        "card",
        help="write the card of a model from the files of its run",
        description=_card.__doc__,
    )
    command.add_argument(
        "--checkpoint", required=True, metavar="DIR", help="the directory of a run"
    )
    command.add_argument(
        "--held-out",
        metavar="DATA",
        help="held-out pictures of the same classes: the loss on them goes into the "
        "card",
    )
    command.set_defaults(run=_card)

    command = commands.add_parser(
        "bench", help="measure speed on this machine", description=_bench.__doc__
    )
    command.add_argument("name", metavar="NAME", help="quickstart, step or train")
    group = command.add_argument_group("of bench train")
    group.add_argument(
        "--case",
        nargs="+",
        metavar="PRESET",
        help="which models: S/2, B/2, B/4 (default: all)",
    )
    group.add_argument(
        "--ablate",
        action="store_true",
        help="measure each optimisation, alone and together with those before it",
    )
    group.add_argument(
        "--smoke",
        action="store_true",
        help="a tiny model, in seconds, to see that all parts work; runs without a "
        "GPU too",
    )
    group.add_argument("--out", metavar="JSON", help="a file for the rows")
    command.set_defaults(run=_bench)

    command = commands.add_parser(
        "data",
        help="list data sets, or decode one ahead of time",
        description=_data.__doc__,
    )
    command.add_argument(
        "action",
        choices=("list", "prepare"),
        nargs="?",
        default="list",
        help="what to do (default: list)",
    )
    command.add_argument("name", nargs="?", help="the data set to prepare")
    command.set_defaults(run=_data)

    command = commands.add_parser(
        "experiment",
        help="list or run the recorded experiments of the book",
        description=_experiment.__doc__,
    )
    command.add_argument("action", choices=("list", "run"))
    command.add_argument("name", nargs="?", help="the experiment to run")
    command.add_argument(
        "--budget",
        choices=("smoke", "cpu", "gpu"),
        default="smoke",
        help="how much time it may take (default: smoke)",
    )
    command.add_argument(
        "--pending",
        action="store_true",
        help="run all that is not yet recorded at this budget, the cheapest first",
    )
    command.add_argument(
        "--time-limit",
        type=float,
        metavar="S",
        help="stop before S seconds are over; the same command again continues",
    )
    command.add_argument(
        "--restart",
        action="store_true",
        help="forget the parts that an earlier run finished",
    )
    command.add_argument(
        "--archive",
        type=Path,
        metavar="TAR_GZ",
        help="afterwards pack the new results at this budget into one file",
    )
    command.set_defaults(run=_experiment)
    return parser


def _kind(annotation) -> type:
    options = [t for t in typing.get_args(annotation) if t is not types.NoneType]
    return options[0] if options else annotation


def _add_fields(
    parser,
    config: type,
    skip: Sequence[str] = (),
    only: Sequence[str] = (),
    unset: bool = False,
) -> None:
    """A flag for each field of a configuration. With `unset` a flag that was not
    given leaves no trace.
    """
    kinds = typing.get_type_hints(config)
    for f in dataclasses.fields(config):
        if f.name in skip or (only and f.name not in only):
            continue
        flag, kind, text = (
            "--" + f.name.replace("_", "-"),
            _kind(kinds[f.name]),
            f.metadata["help"],
        )
        default = None if f.name in DECIDED_BY else f.default
        shown = f"by {DECIDED_BY[f.name]}" if f.name in DECIDED_BY else default
        keyword = {"default": argparse.SUPPRESS} if unset else {"default": default}
        metavar = METAVARS.get(f.name, f.name.split("_")[-1].upper())
        help_text = HELP.get(
            f.name, text if unset or shown is None else f"{text} (default: {shown})"
        )
        # --flag, --no-flag, or as the device prefers
        if kind is bool and f.default is None:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, help=text, **keyword
            )
        elif kind is bool:
            parser.add_argument(flag, action="store_true", help=text, **keyword)
        else:
            names = tuple(PRESETS) if f.name == "preset" else CHOICES.get(f.name)
            help_text += f"; one of {', '.join(names)}" if names else ""
            parser.add_argument(
                flag, type=kind, metavar=metavar, help=help_text, **keyword
            )


def _add_sampling(parser) -> None:
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="NAME_OR_DIR",
        help="a shipped model (digits, cifar10) or the directory of a run",
    )
    parser.add_argument(
        "--guidance",
        type=float,
        default=1.5,
        metavar="W",
        help="guidance weight, 1 for none (default: 1.5)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=25,
        metavar="S",
        help="sampling steps (default: 25)",
    )
    parser.add_argument(
        "--sampler",
        default="heun",
        metavar="NAME",
        help=f"one of {', '.join(CHOICES['sampler'])} (default: heun)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the noise (default: 0)"
    )


def _train(options: argparse.Namespace) -> None:
    """Train a model. Flags that are not given take the recipe of the data set."""
    from .data import DATASETS, load_data
    from .training import train
    from .training.precision import pick_device

    given = vars(options)
    on_cpu, by_device = (
        pick_device(options.device).type == "cpu",
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
    if on_cpu and by_device and (of_ones_own or config.data in CPU_RECIPES):
        size = " ".join(
            [
                config.preset,
                *(f"{name}={value}" for name, value in config.changes.items()),
            ]
        )
        print(
            f"note: no GPU, so the recipe is that of --budget cpu: {size}, "
            f"{config.steps:,} steps of {config.batch_size} images",
            file=sys.stderr,
        )
    if (
        of_ones_own
        and (count := len(load_data(config.data, image_size=config.image_size)))
        < FEW_PICTURES
    ):
        print(
            f"note: {config.data} holds {count} pictures. A model can learn so "
            "few by heart: watch the loss on held-out ones, and stop early",
            file=sys.stderr,
        )
    run = train(config, resume=options.resume)
    last = run.metrics[-1]
    print(
        f"{run.directory}: {last['step']} steps, {last['images']:,} images, "
        f"{last['seconds']:.1f} s, loss {last['loss']:.4f}"
    )
    print(f"sample with: python -m dit_lite sample --checkpoint {run.directory}")


def _sample(options: argparse.Namespace) -> None:
    """Make images with a trained model and write them as one PNG, a row for each
    class.
    """
    from .diffusion import sample
    from .training import load

    if options.count < 1:
        raise ValueError(
            f"--count {options.count} is too small; ask for at least 1 image"
        )
    model = load(options.checkpoint)
    names = model.config.class_names or tuple(map(str, range(model.config.num_classes)))
    classes = (
        list(range(len(names)))
        if options.label is None
        else [_class(label, names) for label in options.label]
    )
    labels = [k for k in classes for _ in range(options.count)]
    images = sample(
        model,
        labels,
        steps=options.steps,
        guidance=options.guidance,
        sampler=options.sampler,
        seed=options.seed,
    )
    write_grid(images, options.count, Path(options.out))
    print(
        f"{options.out}: {len(classes)} x {options.count} images of "
        f"{options.checkpoint}"
    )


def _class(label: str, names: Sequence[str], shown: int = 10) -> int:
    """The number of a class given by name or number."""
    if label in names:
        return names.index(label)
    if label.lstrip("-").isdecimal():
        return int(label)
    near = sorted(
        range(len(names)),
        key=lambda k: (
            -difflib.SequenceMatcher(None, label.lower(), names[k].lower()).ratio()
        ),
    )[:shown]
    some = (
        "the classes are"
        if len(names) <= shown
        else f"of {len(names)} classes the nearest are"
    )
    raise ValueError(
        f"label {label!r} is no class of this model; {some}: "
        f"{', '.join(f'{names[k]} ({k})' for k in near)}"
    )


def write_grid(images, columns: int, path: Path) -> None:
    """Write images (n, C, H, W) in [-1,1] as one PNG with `columns` images a row;
    small images are enlarged without smoothing.
    """
    from einops import rearrange

    try:
        from PIL import Image
    except ImportError:
        raise FileNotFoundError(
            "writing a PNG needs pillow: pip install pillow"
        ) from None
    import torch

    pixels = ((images.cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    pixels = torch.nn.functional.pad(pixels, (1, 1, 1, 1), value=128)
    if pixels.shape[1] not in (1, 3):
        raise ValueError(f"images have {pixels.shape[1]} channels; a PNG takes 1 or 3")
    grid = (
        rearrange(pixels, "(r c) k h w -> (r h) (c w) k", c=columns).squeeze(-1).numpy()
    )
    zoom = max(1, 64 // images.shape[-1])
    picture = Image.fromarray(grid)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.resize(
            (picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST
        ).save(path, format="PNG")
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None


def _evaluate(options: argparse.Namespace) -> None:
    """Sample a model and score the images against real ones, with intervals, and
    beside the same scores of real images.
    """
    import json

    from .data import DATASETS
    from .evaluation.report import evaluate_model
    from .training.checkpoint import load, origin_of, write
    from .training.precision import pick_device

    if options.out and options.out.is_dir():
        raise ValueError(f"--out {options.out} is a directory; name a file")
    model = load(options.checkpoint, pick_device("auto"))
    samples = (
        options.samples
        if options.per_class is None
        else options.per_class * model.config.num_classes
    )
    origin = origin_of(options.checkpoint)
    # a shipped model is called by its data
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
    report = evaluate_model(
        model,
        data,
        samples,
        interval=tuple(options.interval),
        origin=origin,
        progress=True,
        **asked,
    )
    text = json.dumps(report.to_dict(), indent=2)
    if options.out:
        write(options.out, (text + "\n").encode())
    print(text if options.json else report)


def _card(options: argparse.Namespace) -> None:
    """Write README.md, the card of a model, beside its weights: sizes, data and
    length of the training, scores of report.json, picture samples.png. What only you
    can know stands there in capitals.
    """
    from .evaluation.cards import CARD, model_card
    from .training.checkpoint import directory_of, write

    directory = directory_of(options.checkpoint)
    out = directory / CARD
    if out.exists():
        raise ValueError(
            f"{out} is already there; rename it first, so that nothing that you "
            "wrote is lost"
        )
    write(out, model_card(directory, options.held_out).encode())
    print(f"{out}: fill in what stands in capitals")


def _bench(options: argparse.Namespace) -> None:
    """Measure on this machine: `quickstart` trains the digits model from the command
    line and scores it, `step` times one training step on the CPU, `train` measures
    the trainer on a GPU beside another implementation.
    """
    from .benchmarks import BENCHMARKS

    if options.name not in BENCHMARKS:
        raise ValueError(
            f"bench {options.name!r} is not known; choose one of: "
            f"{', '.join(BENCHMARKS)}"
        )
    for flag in ("case", "ablate", "smoke", "out"):
        if getattr(options, flag) and options.name != "train":
            raise ValueError(
                f"--{flag} is a flag of bench train; leave it out for bench "
                f"{options.name}"
            )
    importlib.import_module(f".benchmarks.{options.name}", __package__).run(options)


def _data(options: argparse.Namespace) -> None:
    """List the data sets and whether they are there, or decode one into the cache so
    that training starts at once.
    """
    from .data import DATASETS, DataError, load_data
    from .resources import data_root

    if options.action == "prepare":
        if options.name not in DATASETS:
            raise ValueError(
                f"data prepare needs one of: {', '.join(DATASETS)}; got "
                f"{options.name!r}"
            )
        for split in ("train", "test"):
            data = load_data(options.name, split)
            print(
                f"{options.name} {split}: {len(data):,} images of "
                f"{data.images.shape[2]}x{data.images.shape[3]}x{data.images.shape[1]}"
            )
        return
    print(f"data root: {data_root()} (set DIT_LITE_DATA to change it)")
    for name in DATASETS:
        if name == "cifar10" and not (data_root() / "cifar10").exists():
            print(f"{name:12} not there; `data prepare cifar10` downloads it")
            continue
        try:
            data = load_data(name)
            C, H, W = data.images.shape[1:]
            print(
                f"{name:12} {len(data):,} training images, {H}x{W}x{C}, "
                f"{len(data.class_names)} classes"
            )
        except DataError as error:
            print(f"{name:12} not there: {error}")


def _experiment(options: argparse.Namespace) -> int:
    """List the experiments, what is recorded of them and what the others would cost;
    or run one, or all that are pending, and record them under data/results. Finished
    parts are kept, so that a run that was stopped continues.
    """
    from . import lab

    if options.action == "list":
        lab.print_status()
        return 0
    if options.pending == (options.name is not None):
        raise ValueError(
            "experiment run needs the name of an experiment, see `experiment "
            "list`, or --pending, and not both"
        )
    if options.archive:
        lab.check_archive(options.archive, options.budget)
    limit = (
        lab.TimeLimit()
        if options.time_limit is None
        else lab.TimeLimit(options.time_limit)
    )
    try:
        if options.pending:
            return 1 if lab.run_pending(options.budget, limit, options.restart) else 0
        lab.run_experiment(
            options.name, options.budget, limit=limit, restart=options.restart
        )
    except lab.OutOfTime as stop:
        print(stop)
    finally:  # what is finished is packed also after Ctrl-C
        if options.archive:
            names = lab.archive_results(options.archive, options.budget)
            print(
                f"{options.archive}: {', '.join(names)}"
                if names
                else f"nothing new at {options.budget}, so no {options.archive}"
            )
    return 0
