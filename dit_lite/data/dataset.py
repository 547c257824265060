"""What a data set is here: bytes, labels, and the names of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .pixels import to_floats


class DataError(ValueError):
    """Data that cannot be found or read; the message says what was looked for,
    where, and what to do.
    """


@dataclass(frozen=True)
class Dataset:
    """Images (n, C, H, W) uint8 and labels (n,) int64, in memory or memory-mapped.
    `flip`: a mirrored image is as good as the original. `note`: a caveat that belongs
    beside every score taken against these images.

    Raises DataError for a label that is no class.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    flip: bool = False
    note: str = ""

    def __post_init__(self):
        wrong = self.labels[(self.labels < 0) | (self.labels >= len(self.class_names))]
        if len(wrong):
            raise DataError(
                f"{self.name} has the label {wrong[0]}, which is none of its "
                f"{len(self.class_names)} classes; labels count from 0"
            )

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

    def floats(self) -> Tensor:
        """The images as floats (n, C, H, W) in [-1,1]."""
        # a copy: bytes may be memory-mapped, and read-only
        return to_floats(torch.tensor(self.images))
