"""CIFAR-10: 60,000 photographs of 32x32 pixels in 10 classes (Krizhevsky 2009)."""

import numpy as np

from ..files.environment import data_root
from . import parquet
from .dataset import DataError, Dataset
from .store import alone, writable_cache

NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def cifar10(split: str = "train") -> Dataset:
    """50,000 training images ("train") or 10,000 test images ("test"), which may be
    mirrored.

    Hub parquet files below the data root (`uoft-cs/cifar10`: columns img, label) are
    used when found, else torchvision downloads the original batches there. Raises
    DataError when neither is available.
    """
    root = data_root() / "cifar10"
    if files := parquet.find(root, (split,)):
        images, labels = parquet.read(f"cifar10-{split}", files, "img", 32)
        note = parquet.caveat("cifar10", files, "img")
    else:
        (images, labels), note = _original(root, split), ""
    return Dataset("cifar10", images, labels, NAMES, flip=True, note=note)


def _original(root, split: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        raise DataError(
            "downloading cifar10 needs torchvision: pip install torchvision"
        ) from None
    try:
        # not by all processes of a run at once, into one file
        with alone(writable_cache(), "cifar10", "cifar10"):
            batches = CIFAR10(str(root), train=split == "train", download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"cifar10 is not below {root} and could not be downloaded ({error}); "
            "connect to the network, or put the parquet files of the "
            "hub set uoft-cs/cifar10 there, or point DIT_LITE_DATA at a folder "
            "that has them"
        ) from None
    return np.ascontiguousarray(batches.data.transpose(0, 3, 1, 2)), np.asarray(
        batches.targets, dtype=np.int64
    )
