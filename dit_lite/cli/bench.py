"""`bench`: speed on this machine."""

from __future__ import annotations

import argparse
import importlib

from ..benchmarks import BENCHMARKS

SUMMARY = "measure speed on this machine"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    group = parser.add_argument_group("of bench train")
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


def run(options: argparse.Namespace) -> None:
    """Measure on this machine: `attention` what looking at attention costs and what the
    cache of words saves in sampling, `cost` compares the times and the memory that the
    cost table predicts with what is measured, `quickstart` trains the digits model from
    the command line and scores it, `step` times one training step on the CPU, `train`
    measures the trainer on a GPU beside another implementation.
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
