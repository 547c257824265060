"""`data`: which data sets are here."""

from __future__ import annotations

import argparse

SUMMARY = "list data sets, or decode one ahead of time"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("list", "prepare"),
        nargs="?",
        default="list",
        help="what to do (default: list)",
    )
    parser.add_argument("name", nargs="?", help="the data set to prepare")


def run(options: argparse.Namespace) -> None:
    """List the data sets and whether they are there, or decode one into the cache so
    that training starts at once.
    """
    from ..data import DATASETS, DataError, load_data
    from ..files.environment import data_root

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
                + (
                    f"{len(data.class_names)} classes"
                    if data.class_names
                    else "captions"
                )
            )
        except DataError as error:
            print(f"{name:12} not there: {error}")
