"""ImageNet at 64x64 pixels, from whichever of its two usual forms is there."""

import re
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..files.environment import data_root
from . import parquet
from .dataset import DataError, Dataset, check_labels_of
from .store import store

NUMBER = re.compile(r"train_data_batch_(\d{1,4})$")


def imagenet64(split: str = "train") -> Dataset:
    """Training ("train") or validation ("test") images, 64x64x3, which may be mirrored.

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
            MemoryError,
            TypeError,
            ValueError,
            KeyError,
            NotImplementedError,
            zlib.error,
        ) as error:
            raise DataError(
                f"{file} is not a batch of downsampled ImageNet ({error}); "
                "download it again"
            ) from None

    numbers = [int(match[1]) for f in files if (match := NUMBER.search(f.stem))]
    if missing := sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers)):
        raise DataError(
            f"{files[0].parent} lacks train_data_batch_{missing[0]}.npz: {len(files)} "
            f"of at least {max(numbers)} batches are there; download the others too"
        )
    # small, while the images are only read if they are not cached
    labels = [_from_zero(str(file), read(file, "labels")) for file in files]

    def pictures():
        for file, known in zip(files, labels, strict=True):
            images = read(file, "data", 3, 64, 64)
            if images.dtype != np.uint8 or len(images) != len(known):
                raise DataError(
                    f"{file} is not a batch of downsampled ImageNet ({len(images)} "
                    f"images of {images.dtype}, {len(known)} labels); download it "
                    "again"
                )
            yield from images

    labels_of_all = np.concatenate(labels)
    files = [file.parent.resolve() / file.name for file in files]
    return store(
        name, files, pictures(), (len(labels_of_all), 3, 64, 64)
    ), labels_of_all


def _from_zero(where: str, labels: np.ndarray) -> np.ndarray:
    """Labels that count from 1, counted from 0."""
    whole = labels.dtype.kind in "iu"  # else refused below
    return check_labels_of(where, labels.astype(np.int64) - 1 if whole else labels)
