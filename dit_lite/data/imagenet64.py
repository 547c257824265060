"""ImageNet at 64x64 pixels, from whichever of its two usual forms is there."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..resources import data_root
from . import parquet
from .dataset import DataError, Dataset
from .store import store


def imagenet64(split: str = "train") -> Dataset:
    """Training ("train") or validation ("test") images, 64x64x3, mirrored at will.

    Looks below `imagenet64` in the data root for hub parquet files (columns image,
    label), then for the official downsampled batches (train_data_batch_*.npz,
    val_data.npz; 1707.08819). Raises DataError saying how to get them; nothing is
    downloaded.
    """
    root = data_root() / "imagenet64"
    if files := parquet.find(
        root, ("train",) if split == "train" else ("validation", "valid", "test")
    ):
        images, labels = parquet.read(f"imagenet64-{split}", files, "image", 64)
        note = parquet.caveat("imagenet64", files, "image")
    elif files := sorted(
        root.rglob("train_data_batch_*.npz" if split == "train" else "val_data*.npz")
    ):
        (images, labels), note = _batches(f"imagenet64-{split}", files), ""
    else:
        raise DataError(
            f"imagenet64 ({split}) is not below {root}; put parquet files with "
            "the columns image and label there (for example the hub set "
            "zh-plus/tiny-imagenet), or the npz batches of downsampled ImageNet "
            "from image-net.org, or point DIT_LITE_DATA at a folder that has them"
        )
    return Dataset(
        "imagenet64",
        images,
        labels,
        parquet.class_names(root, int(labels.max()) + 1),
        flip=True,
        note=note,
    )


def _batches(name: str, files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The official npz batches: `data` (n, 12288) uint8 channel by channel, `labels`
    from 1.
    """

    def read(file: Path, key: str, *shape: int) -> np.ndarray:
        try:
            with (
                open(file, "rb") as content,
                np.load(content, allow_pickle=False) as batch,
            ):
                return batch[key].reshape(-1, *shape)
        except (
            OSError,
            EOFError,
            BadZipFile,
            TypeError,
            ValueError,
            KeyError,
        ) as error:
            raise DataError(
                f"{file} is not a batch of downsampled ImageNet ({error}); "
                "download it again"
            ) from None

    # small, while the images are read on a miss only
    labels = [read(file, "labels").astype(np.int64) - 1 for file in files]
    pictures = (
        pair
        for file, k in zip(files, labels, strict=True)
        for pair in zip(read(file, "data", 3, 64, 64), k, strict=True)
    )
    return store(name, files, pictures, (sum(map(len, labels)), 3, 64, 64))
