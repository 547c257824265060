"""Which files of a folder are pictures, and of which class, by the same rule as the
image folders of torchvision and of the Hugging Face hub.

Each folder directly below is a class; its pictures may lie in it at any depth, links
are followed, and the suffix decides what is a picture. Names that begin with "." or
"__" belong to the system (`.thumbnails`, `._x.jpg`, `__MACOSX`). Pictures without class
folders beside them are one class.
"""

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from .dataset import DataError, printable_name

#: torchvision's list, and other names of the same formats.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".gif", ".tif",
    ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
HIDDEN = "hidden (a name that begins with . or __)"
OTHER = "of other kinds"
BROKEN = "links that lead nowhere, or files that are not ordinary"
TWICE = "links to a folder that was already read"
LOOSE = "pictures beside the class folders"


class Listing(NamedTuple):
    """The pictures in order, the class of each, the names of the classes, and
    what was skipped: {reason: count}.
    """

    files: list[Path]
    labels: list[int]
    classes: tuple[str, ...]
    passed_over: Counter


def list_pictures(root: Path) -> Listing:
    """The pictures below the folder `root`, class by class, in the order of their
    names.

    Raises DataError for a folder without pictures, a class without pictures, folders
    that are splits and not classes, a name that cannot be printed, and a folder that
    cannot be read.
    """
    passed_over: Counter = Counter()
    folders, loose = _entries(root, passed_over)
    if not folders:
        if not loose:
            raise DataError(
                f"{root} holds no pictures ({', '.join(SUFFIXES)})"
                f"{_in_words(passed_over)}: expected {root}/CLASS/PICTURE.png, or "
                f"{root}/PICTURE.png for pictures without classes"
            )
        name = printable_name(root.name or "pictures", str(root))
        return Listing(loose, [0] * len(loose), (name,), passed_over)
    _refuse_splits(root, folders)
    if loose:
        passed_over[LOOSE] += len(loose)
    files, labels = [], []
    for label, folder in enumerate(folders):
        printable_name(folder.name, str(folder))
        found = _below(folder, passed_over)
        if not found:
            raise DataError(
                f"class folder {folder} holds no pictures ({', '.join(SUFFIXES)})"
                f"{_in_words(passed_over)}; add some or remove it"
            )
        files += found
        labels += [label] * len(found)
    return Listing(files, labels, tuple(f.name for f in folders), passed_over)


def say(root: Path, counted: Counter, what: str) -> None:
    """Warn of what `counted` holds."""
    if counted:
        warnings.warn(f"{root}: {what}: {_reasons(counted)}", stacklevel=3)


def _entries(folder: Path, passed_over: Counter) -> tuple[list[Path], list[Path]]:
    """The folders and the pictures directly in `folder`, each sorted by name."""
    folders, pictures = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")):
                    passed_over[HIDDEN] += 1
                elif entry.is_dir():
                    folders.append(Path(entry.path))
                elif Path(entry.name).suffix.lower() not in SUFFIXES:
                    passed_over[OTHER] += 1
                elif entry.is_file():
                    pictures.append(Path(entry.path))
                else:
                    passed_over[BROKEN] += 1
    except OSError as error:
        raise DataError(
            f"folder {folder} cannot be read ({error.strerror or error}); change its "
            "permissions, or remove it"
        ) from None
    return sorted(folders), sorted(pictures)


def _below(folder: Path, passed_over: Counter) -> list[Path]:
    """All pictures of a class. A folder is read only once, however many links lead to
    it, so that a link to a folder above does not loop.
    """
    found, waiting, seen = [], [folder], set()
    while waiting:
        place = waiting.pop()
        status = place.stat()
        if (status.st_dev, status.st_ino) in seen:
            passed_over[TWICE] += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        folders, pictures = _entries(place, passed_over)
        found += pictures
        waiting += folders
    return sorted(found)


def _refuse_splits(root: Path, folders: list[Path]) -> None:
    """Folders that are called train and test, and nothing else, are not classes."""
    names = {folder.name.lower() for folder in folders}
    nested = any(_entries(folder, Counter())[0] for folder in folders)
    if names <= SPLITS and (nested or len(names) > 1):
        raise DataError(
            f"{root} has the folders {', '.join(sorted(f.name for f in folders))}, "
            f"which are splits, not classes; give one of them: {folders[-1]}"
        )


def _in_words(counted: Counter) -> str:
    return f", but {_reasons(counted)}" if counted else ""


def _reasons(counted: Counter) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in sorted(counted.items()))
