"""`bench`: speed on this machine."""

import argparse
import importlib

from ..benchmarks import BENCHMARKS

SUMMARY = "measure speed on this machine"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    group = parser.add_argument_group("only for bench train")
    group.add_argument(
        "--case",
        nargs="+",
        metavar="PRESET",
        help="which models: S/2, B/2, B/4 (default: all)",
    )
    group.add_argument(
        "--ablate",
        action="store_true",
        help="measure each optimisation, alone and combined with those before it",
    )
    group.add_argument(
        "--smoke",
        action="store_true",
        help="a tiny model for a few seconds, to check that everything works; also "
        "runs without a GPU",
    )
    group.add_argument("--out", metavar="JSON", help="file to write the results to")


def run(options: argparse.Namespace) -> None:
    """Measure this machine: `attention` finds what recording attention costs and what
    the key-value cache of words saves in sampling, `cost` compares the time and memory
    that the cost table predicts with measurements, `quickstart` trains the digits model
    from the command line and scores it, `step` times one training step on the CPU,
    `train` measures the trainer on a GPU next to another implementation.
    """
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
    importlib.import_module(f"dit_lite.benchmarks.{options.name}").run(options)
