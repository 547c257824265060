"""Your own pictures: a directory with one sub-directory of images per class, or with
images only.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from ..files.environment import user_path
from .captioned_folder import CAPTIONS, captioned_folder
from .dataset import DataError, Dataset, check_size
from .listing import list_pictures, say
from .pictures import decode
from .store import store


def folder(directory: str | Path, size: int, split: str = "train") -> Dataset:
    """Every picture below `directory`, cropped to its centred square and resized to
    size x size; the class is the sub-directory's name (listing.py has the rule). With a
    captions.csv in it, the pictures and captions that it names (captioned_folder.py).
    `split`, "train" or "test", chooses among those; class folders are not split.

    Warns of what was skipped, with the count and the reason. Raises DataError when
    there is no such directory, no picture in it or in one of its classes, or a picture
    that cannot be read.
    """
    size = check_size(size)
    root = user_path(directory, "data")
    if not root.is_dir():
        from . import DATASETS  # which is made from this module

        raise DataError(
            f"data={str(directory)!r} is neither a known data set nor a folder; give "
            f"{', '.join(DATASETS)}, or the path of a folder of class folders"
        )
    root = root.resolve()
    if (root / CAPTIONS).is_file():
        return captioned_folder(root, size, split)
    listing, remarks = list_pictures(root), Counter()
    say(root, listing.passed_over, "skipped")

    pictures = (decode(file, size, str(file), remarks) for file in listing.files)
    images = store(
        f"folder-{root.name}-{size}",
        listing.files,
        pictures,
        (len(listing.files), 3, size, size),
    )
    say(root, remarks, "read in part")
    labels = np.asarray(listing.labels, dtype=np.int64)
    return Dataset(root.name, images, labels, listing.classes)
