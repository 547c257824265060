"""The real images that samples are compared with: found, checked against the model, and
passed through an extractor.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...config import choose
from ...data import DATASETS, Dataset, load_data
from ...model.dit import DiT
from ..networks.extractor import EXTRACTORS, Extractor, load_extractor
from .reference import Reference, ReferenceError, data_reference, load_reference

#: data set -> the extractor whose classes are its classes, as "accuracy" needs them.
#: Inception-v3 is used for other data.
JUDGES = {
    "digits": "digits-judge",
    "cifar10": "cifar10-judge",
    "imagenet64": "imagenet64-judge",
}
#: With n images a share such as precision is known to about 1/sqrt(n), at 95 %: fewer
#: than FEWEST real images say nothing, ENOUGH give 5 points.
FEWEST, ENOUGH = 50, 400


class Real(NamedTuple):
    """Real images, and their name in tables."""

    name: str
    data: Dataset

    def some(self, index: Tensor | slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) in [-1,1] and labels (n,)."""
        index = index.numpy() if isinstance(index, Tensor) else index
        return self.data.floats(index), torch.from_numpy(self.data.labels[index])


def seen(
    reference: str | Reference | None,
    real: Real | None,
    seer: Extractor,
    data: str,
    image_size: int,
) -> Reference | None:
    """The reference if its features already exist, None where they must still be
    extracted from real images. Raises ReferenceError for one that does not fit, and for
    too few images in either case.
    """
    against = None
    if isinstance(reference, Reference):
        against = reference.require(seer.name, image_size, seer.dimension)
        if against.name != real.name:
            raise ReferenceError(
                f"the reference is for {against.name!r}, the model for {real.name!r}; "
                f"make it with training_reference({data!r})"
            )
    elif real is None:
        against = load_reference(reference, seer, image_size)
    name, count = (
        (real.name, len(real.data)) if against is None else (against.name, len(against))
    )
    if count < FEWEST:
        raise ReferenceError(
            f"the reference {name!r} has {count} images, too few for any score: with "
            f"so few, a share is known only to {100 / max(1, count) ** 0.5:.0f} "
            f"percentage points; use {FEWEST} or more, better {ENOUGH}"
        )
    return against


def training_reference(data: str) -> Reference:
    """The reference of the training images of a data set with a judge, in that judge's
    features: pass it to `evaluate_model(..., reference=)` to share it between reports.
    """
    choose("data set with a judge", data, JUDGES)
    images = load_data(data, "train")
    return data_reference(f"{images.name} train", images, opened(JUDGES[data]))


def recognised(model: DiT) -> str:
    """The data set of weights that do not name one: digits, recognised by image shape
    and classes.
    """
    config, shape = model.config, DATASETS["digits"]().shape
    if config.class_names in ((), shape["class_names"]) and all(
        getattr(config, name) == shape[name] for name in shape if name != "class_names"
    ):
        return "digits"
    raise ValueError(
        "the weights do not say which data the model was trained on; name the "
        "data set or folder as the reference"
    )


def opened(name: str) -> Extractor:
    try:
        return load_extractor(name)
    except (ImportError, FileNotFoundError) as error:
        others = ", ".join(other for other in EXTRACTORS if other != name)
        raise ValueError(
            f"extractor={name!r}: {error}; or choose one that ships, for images "
            f"of the size of its data: {others}"
        ) from None


def named_reference(reference: str) -> tuple[str, str]:
    """Data set and split of a reference; no data set for a file."""
    before, _, after = reference.rpartition(":")
    if reference.endswith(".safetensors"):
        return "", "train"
    return (
        (before, after)
        if before and after in ("train", "test")
        else (reference, "train")
    )


def compared(name: str, split: str, model: DiT) -> Real:
    """The images of a data set, if the model makes images of the same shape and
    classes.
    """
    data = of_its_kind(name, split, model)
    return Real(f"{data.name} {split}" if name in DATASETS else data.name, data)


def of_its_kind(name: str, split: str, model: DiT) -> Dataset:
    """A data set of the shape and the classes that the model makes. Raises
    ReferenceError for another.
    """
    config = model.config
    data = load_data(name, split, None if name in DATASETS else config.image_size)
    mine, theirs = config.class_names, data.class_names
    if mine and theirs and set(mine) != set(theirs):
        lacking = ", ".join(repr(k) for k in mine if k not in theirs)
        more = ", ".join(repr(k) for k in theirs if k not in mine)
        raise ReferenceError(
            f"{name!r} does not have the classes of the model: "
            + " and ".join(
                [f"{lacking} missing"] * bool(lacking) + [f"{more} added"] * bool(more)
            )
            + "; give pictures of the classes that it was trained on"
        )
    for field, value in data.shape.items():
        mine = getattr(config, field)
        if mine != value and not (field == "class_names" and not mine):
            raise ReferenceError(
                f"{name!r} has {field}={value!r}, the model {mine!r}; choose data "
                "like those that it was trained on"
            )
    return data
