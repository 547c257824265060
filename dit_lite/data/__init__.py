"""Images as bytes, with labels or captions. `load_data("digits")` needs nothing, nor
does "shapes", which is generated; the other sets are found or downloaded.
"""

from ..config import ConfigError, choose
from .cifar10 import cifar10
from .dataset import DataError, Dataset, check_size
from .digits import digits
from .folder import folder
from .imagenet64 import imagenet64
from .latents import holds_latents, latents
from .loader import Loader
from .shapes.dataset import shapes as captioned_shapes

DATASETS = {
    "digits": digits,
    "shapes": captioned_shapes,
    "cifar10": cifar10,
    "imagenet64": imagenet64,
}
SPLITS = {"shapes": ("train", "test", "unseen", "every")}  # of all others, two


def load_data(
    name: str, split: str = "train", image_size: int | None = None
) -> Dataset:
    """A data set by name ("digits", "shapes", "cifar10", "imagenet64") or by the path
    of a folder of class folders, or of latents.

    `split` is "train" or "test", or for shapes "unseen": combinations of shape and
    colour that training never shows. A folder of classes is not split: either name
    gives all of it; one with a captions.csv is split by its column split. `image_size`
    is the side to which a folder is resized (32 when not given); the other sets have a
    fixed size, and so have latents.
    Raises ConfigError or DataError (both ValueError), saying what was looked for and
    what to do.
    """
    known = isinstance(name, str) and name in DATASETS
    choose("split", split, SPLITS.get(name if known else "", ("train", "test")))
    if image_size is not None:
        image_size = check_size(image_size)
    if not known and holds_latents(name):
        data = latents(name)
        _check_size(data, image_size, name)
        return data
    if not known:
        return folder(name, 32 if image_size is None else image_size, split)
    data = DATASETS[name](split)
    _check_size(data, image_size, name)
    return data


def _check_size(data: Dataset, image_size: int | None, name: str) -> None:
    """Raise ConfigError for a size other than that of the data."""
    if image_size not in (None, data.shape["image_size"]):
        raise ConfigError(
            f"image_size={image_size} does not fit {name}, whose images have "
            f"{data.shape['image_size']} pixels a side; leave it out"
        )


__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "Loader",
    "captioned_shapes",
    "cifar10",
    "digits",
    "folder",
    "imagenet64",
    "load_data",
]
