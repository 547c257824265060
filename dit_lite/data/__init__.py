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
#: The side in pixels and the channels of the images of each set.
SIDES = {"digits": (8, 1), "shapes": (32, 3), "cifar10": (32, 3), "imagenet64": (64, 3)}
FOLDER_SIDE = 32  # to which a folder is resized
SPLITS = {"shapes": ("train", "test", "unseen", "every")}  # of all others, two


def load_data(
    name: str, split: str = "train", image_size: int | None = None
) -> Dataset:
    """A data set by name ("digits", "shapes", "cifar10", "imagenet64") or by the path
    of a folder of class folders, or of latents.

    `split` is "train" or "test", or for shapes "unseen": combinations of shape and
    colour that training never shows. A folder of classes is not split: either name
    gives all of it; one with a captions.csv is split by its column split. `image_size`
    is the side to which a folder is resized (FOLDER_SIDE when not given); the other
    sets have a fixed size, and so have latents.
    Raises ConfigError or DataError (both ValueError), saying what was looked for and
    what to do.
    """
    known = isinstance(name, str) and name in DATASETS
    choose("split", split, SPLITS.get(name if known else "", ("train", "test")))
    shape = shape_before_reading(name, image_size)
    if known:
        return DATASETS[name](split)
    if shape:
        return folder(name, shape["image_size"], split)
    data = latents(name)
    _check_size(data.shape["image_size"], image_size, name)
    return data


def shape_before_reading(name: str, image_size: int | None = None) -> dict:
    """The fields of a DiTConfig that are known before `load_data` reads its images,
    with the same arguments: image_size and channels; none for a folder of latents.
    Raises ConfigError or DataError for a size that the images do not have.
    """
    if image_size is not None:
        image_size = check_size(image_size)
    if isinstance(name, str) and name in DATASETS:
        side, channels = SIDES[name]
        _check_size(side, image_size, name)
    elif holds_latents(name):
        return {}
    else:
        side, channels = FOLDER_SIDE if image_size is None else image_size, 3
    return dict(image_size=side, channels=channels)


def _check_size(side: int, image_size: int | None, name: str) -> None:
    """Raise ConfigError for a size other than that of the data."""
    if image_size not in (None, side):
        raise ConfigError(
            f"image_size={image_size} does not fit {name}, whose images have "
            f"{side} pixels a side; leave it out"
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
    "shape_before_reading",
]
