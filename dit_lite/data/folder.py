"""Pictures of one's own: a directory with one sub-directory of images for each
class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dataset import DataError, Dataset
from .store import decode, store

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


def folder(directory: str | Path, size: int) -> Dataset:
    """Every picture below `directory`, cropped to its centred square and resized to
    size x size; the class is the sub-directory's name.

    Raises DataError when there is no such directory, no picture in it, fewer than two
    classes, or a picture that cannot be read.
    """
    root = Path(directory).expanduser()
    if not root.is_dir():
        raise DataError(
            f"data={str(directory)!r} is no known data set and no folder; give "
            "digits, cifar10, imagenet64, or the path of a folder of class "
            "folders"
        )
    classes = sorted(
        d.name for d in root.iterdir() if d.is_dir() and not d.name.startswith(".")
    )
    files = {
        c: sorted(
            f
            for f in (root / c).rglob("*")
            if f.suffix.lower() in SUFFIXES and f.is_file()
        )
        for c in classes
    }
    if empty := [c for c, found in files.items() if not found]:
        raise DataError(
            f"class folder {root / empty[0]} holds no pictures "
            f"({', '.join(SUFFIXES)}); add some or remove it"
        )
    if not classes:
        loose = any(f.suffix.lower() in SUFFIXES for f in root.iterdir())
        advice = "pictures but no class folders; move them into one folder a class"
        raise DataError(
            f"{root} holds {advice if loose else 'no pictures'}: "
            f"expected {root}/CLASS/PICTURE.png"
        )
    if len(classes) == 1:
        raise DataError(
            f"{root} has a single class folder, {classes[0]!r}; a "
            "class-conditional model needs at least two"
        )
    order = [(file, label) for label, c in enumerate(classes) for file in files[c]]
    pictures = (
        (decode(file.read_bytes(), size, str(file)), label) for file, label in order
    )
    images, labels = store(
        f"folder-{root.name}-{size}",
        [file for file, _ in order],
        pictures,
        (len(order), 3, size, size),
    )
    return Dataset(root.name, images, np.asarray(labels), tuple(classes))
