"""What a data set is here: bytes, labels, and the names of the classes."""

import operator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config.class_names import fault_of_name
from .pixels import to_floats

#: Limits of what is read: beyond them a file is damaged, or made to fill the memory.
MOST_CLASSES = 100_000
MOST_SIDE = 4096
#: Of fewer pictures than this, memorising them is likely enough for a note.
FEW = 500


class DataError(ValueError):
    """Data that cannot be found or read; the message says what was looked for,
    where, and what to do.
    """


def check_size(size: int) -> int:
    """The side of images as an int; raises DataError unless it is a whole number of 1
    to MOST_SIDE.
    """
    try:
        side = operator.index(None if isinstance(size, bool) else size)
    except TypeError:
        side = 0
    if not 1 <= side <= MOST_SIDE:
        raise DataError(
            f"image_size={size!r} must be a whole number of pixels, from 1 to "
            f"{MOST_SIDE}"
        )
    return side


def check_labels_of(where: str, labels: np.ndarray) -> np.ndarray:
    """Labels (n,) as int64; raises DataError unless they are whole numbers of 0 to
    MOST_CLASSES - 1. `where` names their source.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{where} has labels of type {labels.dtype} and shape {labels.shape}; "
            "expected one whole number per image"
        )
    wrong = labels[(labels < 0) | (labels >= MOST_CLASSES)]
    if len(wrong):
        raise DataError(
            f"{where} has the label {wrong[0]}; classes are numbered from 0, and there "
            f"may be {MOST_CLASSES:,} of them"
        )
    return labels.astype(np.int64)


def printable_name(name: str, where: str) -> str:
    """The name itself; raises DataError, naming its source `where`, if it cannot be
    printed.
    """
    if fault := fault_of_name(name):
        raise DataError(f"{where[:200]!r} has a name with {fault}; rename it")
    return name


@dataclass(frozen=True)
class Dataset:
    """Images (n, C, H, W) uint8 and labels (n,) int64, to which other whole numbers are
    converted, in memory or memory-mapped. `flip`: a mirrored image is as good as the
    original. `note`: a caveat that belongs beside every score taken against these
    images.

    Raises DataError for arrays of another type or shape, and for a label that is not a
    class.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    flip: bool = False
    note: str = ""

    def __post_init__(self):
        images, labels = self.images, self.labels
        for field, value, kinds in (("images", images, "u"), ("labels", labels, "iu")):
            if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
                raise DataError(
                    f"{field} of {self.name!r} are {_kind(value)}; expected a numpy "
                    "array: images (n, C, H, W) uint8, labels (n,) int64"
                )
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or 0 in images.shape
            or labels.shape != images.shape[:1]
        ):
            raise DataError(
                f"{self.name!r} has images {images.dtype} of shape {images.shape} and "
                f"labels of shape {labels.shape}; expected images (n, C, H, W) uint8 "
                "with one label (n,) each, and at least one"
            )
        names = self.class_names
        if not isinstance(names, (tuple, list)) or any(
            not isinstance(one, str) for one in names
        ):
            raise DataError(
                f"class_names={names!r} of {self.name!r} must be a tuple of strings, "
                "one per class"
            )
        classes = len(names)
        wrong = labels[(labels < 0) | (labels >= classes)]
        if len(wrong):
            raise DataError(
                f"{self.name} has the label {wrong[0]}, which is not one of its "
                f"{classes} classes; labels are numbered from 0"
            )
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> dict:
        """The fields of a DiTConfig that the data decide."""
        return dict(
            image_size=self.images.shape[-1],
            channels=self.images.shape[1],
            num_classes=len(self.class_names),
            class_names=self.class_names,
        )

    def floats(self, some: slice | np.ndarray = slice(None)) -> Tensor:
        """The images, or `some` of them, as floats (n, C, H, W) in [-1,1]."""
        # a copy: bytes may be memory-mapped, and read-only
        return self.in_floats(torch.tensor(self.images[some]))

    def in_floats(self, stored: Tensor) -> Tensor:
        """Images as they are stored here, (n, C, H, W), as floats in [-1,1]."""
        return to_floats(stored)


@dataclass(frozen=True)
class Captioned(Dataset):
    """Images (n, C, H, W) uint8, and in place of labels the ids of words (n, M) int64,
    0 for padding. `words`: the word of each id, "" first.
    """

    words: tuple[str, ...] = ()

    def __post_init__(self):
        """Captions are not classes, so no label is checked."""

    @property
    def shape(self) -> dict:
        """The fields of a DiTConfig that the data decide."""
        return dict(
            image_size=self.images.shape[-1],
            channels=self.images.shape[1],
            condition="caption",
            words=self.words,
            vocab_size=len(self.words),
            caption_length=self.labels.shape[1],
        )


def few_pictures(data: Dataset, name: str) -> list[str]:
    """What to say before a model is trained on the data called `name`, all of it: that
    it can memorise few pictures, and does so with the only one of a class.
    """
    notes = []
    if len(data) < FEW:
        notes.append(
            f"{name} holds {len(data)} pictures. A model can memorise that few: watch "
            "the loss on held-out ones, and stop early"
        )
    counts = np.bincount(data.labels) if data.class_names else np.array([])
    if single := [data.class_names[k] for k in np.flatnonzero(counts == 1)]:
        more = f" and {len(single) - 3} more" if len(single) > 3 else ""
        notes.append(
            f"{name} holds only one picture of {', '.join(single[:3])}{more}. A model "
            "can only repeat it: add pictures, or remove the class"
        )
    return notes


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
