"""`data`: which data sets are here."""

import argparse

SUMMARY = "list data sets, decode one ahead of time, or encode pictures as latents"
PIXELS = 256  # of the DiT paper's smaller models, whose latents have 32 x 32 cells


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("list", "prepare", "encode"),
        nargs="?",
        default="list",
        help="what to do (default: list)",
    )
    parser.add_argument(
        "name", nargs="?", help="the data set to prepare, or the folder to encode"
    )
    group = parser.add_argument_group("encode")
    group.add_argument(
        "--autoencoder",
        metavar="NAME_OR_DIR",
        help="a diffusers autoencoder: a directory, or a name on the Hugging Face hub",
    )
    group.add_argument("--out", metavar="DIR", help="a new folder for the latents")
    group.add_argument(
        "--image-size",
        type=int,
        metavar="SIZE",
        help="side to which the pictures of a folder are cropped and resized (default: "
        f"{PIXELS})",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        default=16,
        metavar="SIZE",
        help="images encoded at once (default: 16)",
    )
    group.add_argument(
        "--device", default="auto", help="cpu, cuda or auto (default: auto)"
    )


def run(options: argparse.Namespace) -> None:
    """List the data sets and whether they are available, decode one into the cache so
    that training starts at once, or encode pictures as latents, which `train` accepts
    like any other data.
    """
    from ..data import DATASETS, DataError, load_data
    from ..files.environment import data_root

    if options.action == "encode":
        encode(options)
        return
    if options.action == "prepare":
        if options.name not in DATASETS:
            raise ValueError(
                f"data prepare needs one of: {', '.join(DATASETS)}; got "
                f"{options.name!r} (a folder of your own is decoded by the first "
                "`train`)"
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
            print(f"{name:12} not downloaded yet; run `data prepare cifar10`")
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
            print(f"{name:12} not found: {error}")


def encode(options: argparse.Namespace) -> None:
    """Write the latents of a data set or a folder of pictures."""
    from ..autoencoder import PAPER, Autoencoder
    from ..data import DATASETS, load_data
    from ..data.latents import encode
    from ..training.precision import pick_device

    for name, what in (
        ("name", "the folder of the pictures"),
        ("autoencoder", f"--autoencoder NAME_OR_DIR, such as {PAPER}"),
        ("out", "--out DIR, a new folder for the latents"),
    ):
        if not getattr(options, name):
            raise ValueError(f"data encode needs {what}")
    if options.batch_size < 1:
        raise ValueError(
            f"--batch-size {options.batch_size} is too small; encode at least 1 image "
            "at a time"
        )
    of_ones_own = options.name not in DATASETS
    size = options.image_size or (PIXELS if of_ones_own else None)
    data = load_data(options.name, "train", size)
    network = Autoencoder(options.autoencoder, pick_device(options.device))
    found = encode(data, network, options.out, options.batch_size)
    n, c, side, _ = found.images.shape
    print(
        f"{options.out}: {n:,} latents of {side}x{side}x{c}, "
        f"{len(found.class_names)} classes"
    )
    print(f"train on them with: python -m dit_lite train {options.out}")
