"""The real images that scores are measured against, in one extractor's features at one
resolution.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from ...data import Dataset
from ...files.tensors import read_tensors, write_tensors
from ..networks.extractor import Extracted, Extractor, extract, extract_real


class ReferenceError(ValueError):
    """A reference that does not fit what is compared with it; the message says which
    field, both values, and what to do.
    """


@dataclass(frozen=True)
class Reference:
    """Real images as features (n, d), class probabilities (n, K) and labels (n,).

    name: the data set and split ("cifar10 test"); extractor: the network used;
    image_size: the resolution; note: a caveat that tables print.
    """

    name: str
    extractor: str
    image_size: int
    features: Tensor
    probabilities: Tensor
    labels: Tensor
    note: str = ""

    def __post_init__(self):
        rows = {len(self.features), len(self.probabilities), len(self.labels)}
        if len(rows) != 1:
            raise ReferenceError(
                f"reference {self.name!r} has features, probabilities and labels of "
                f"{sorted(rows)} images; give one of each per image"
            )

    def __len__(self) -> int:
        return len(self.features)

    def require(self, extractor: str, image_size: int, dimension: int) -> Self:
        """Itself, if it was made with this extractor, resolution and feature size; else
        ReferenceError.
        """
        mine = {
            "extractor": self.extractor,
            "image_size": self.image_size,
            "features per image": self.features.shape[1],
        }
        for (field, value), other in zip(
            mine.items(), (extractor, image_size, dimension), strict=True
        ):
            if value != other:
                raise ReferenceError(
                    f"reference {self.name!r} has {field}={value!r}, but the "
                    f"samples have {other!r}, and the two cannot be compared; "
                    "make the reference again with make_reference"
                )
        return self


def make_reference(
    name: str, images: Tensor, labels: Tensor, extractor: Extractor, note: str = ""
) -> Reference:
    """The reference of real images (n, C, H, W) in [-1,1] with labels (n,). Raises
    what `extract` raises, and ReferenceError for NaN.
    """
    seen = extract(extractor, images)
    if seen.lost:
        raise ReferenceError(
            f"{seen.lost} of {len(images)} real images of {name!r} hold NaN or "
            "infinity; repair the data"
        )
    return _reference(name, seen, labels, note)


def data_reference(
    name: str, data: Dataset, extractor: Extractor, progress: bool = False
) -> Reference:
    """The reference of a whole data set, by batches. Raises what `extract` raises."""
    seen = extract_real(extractor, data, progress=progress)
    return _reference(name, seen, torch.from_numpy(data.labels), data.note)


def _reference(name: str, seen: Extracted, labels: Tensor, note: str) -> Reference:
    return Reference(
        name,
        seen.extractor,
        seen.image_size,
        seen.features,
        seen.probabilities,
        torch.as_tensor(labels),
        note,
    )


def save_reference(reference: Reference, path: str | Path) -> None:
    """Write a reference as one safetensors file."""
    tensors = {
        "features": reference.features,
        "probabilities": reference.probabilities,
        "labels": reference.labels,
    }
    about = {
        "name": reference.name,
        "extractor": reference.extractor,
        "image_size": str(reference.image_size),
        "note": reference.note,
    }
    write_tensors(Path(path), tensors, about)


def load_reference(
    path: str | Path, extractor: Extractor, image_size: int
) -> Reference:
    """Read a reference for this extractor and resolution. Raises FileNotFoundError,
    CheckpointError for a damaged file, or ReferenceError.
    """
    tensors, about = read_tensors(Path(path))
    if (
        missing := {
            "features",
            "probabilities",
            "labels",
            "name",
            "extractor",
            "image_size",
        }
        - tensors.keys()
        - about.keys()
    ):
        raise ReferenceError(
            f"{path} is not a reference: it lacks {', '.join(sorted(missing))}; make "
            "it with save_reference"
        )
    found = Reference(
        about["name"],
        about["extractor"],
        int(about["image_size"]),
        **tensors,
        note=about.get("note", ""),
    )
    return found.require(extractor.name, image_size, extractor.dimension)
