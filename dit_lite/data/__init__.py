"""Real images as bytes and labels. `load_data("digits")` needs nothing; the other
sets are found or downloaded.
"""

from __future__ import annotations

from ..config import ConfigError
from .cifar10 import cifar10
from .dataset import DataError, Dataset
from .digits import digits
from .folder import folder
from .imagenet64 import imagenet64
from .loader import Loader

DATASETS = {"digits": digits, "cifar10": cifar10, "imagenet64": imagenet64}


def load_data(
    name: str, split: str = "train", image_size: int | None = None
) -> Dataset:
    """A data set by name ("digits", "cifar10", "imagenet64") or by the path of a folder
    of class folders.

    `split` is "train" or "test"; `image_size` is the side to which a folder is resized
    (32 when not given); the other sets have a fixed size. Raises ConfigError or
    DataError (both ValueError), saying what was looked for and what to do.
    """
    if split not in ("train", "test"):
        raise ConfigError(f"split={split!r} is not known; choose train or test")
    if name not in DATASETS:
        if image_size is None:
            image_size = 32
        return folder(name, image_size)
    data = DATASETS[name](split)
    if image_size not in (None, data.shape["image_size"]):
        raise ConfigError(
            f"image_size={image_size} does not fit {name}, whose images have "
            f"{data.shape['image_size']} pixels a side; leave it out"
        )
    return data


__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "Loader",
    "cifar10",
    "digits",
    "folder",
    "imagenet64",
    "load_data",
]
