"""The embedded data set: 1,797 handwritten digits of 8x8 pixels (UCI "Optical
Recognition of Handwritten Digits", CC BY 4.0).
"""

from pathlib import Path

import numpy as np

from .dataset import Dataset

TEST_SHARE = 5  # every fifth image of a class is held out


def digits(split: str = "train") -> Dataset:
    """1,442 images for training ("train"), 355 held out ("test"): every fifth of each
    class. Values 0 to 16 are spread over 0 to 255.
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"].astype(np.int64)
    # index of an image within its class
    rank = np.zeros(len(labels), dtype=np.int64)
    for k in range(10):
        rank[labels == k] = np.arange((labels == k).sum())
    keep = (rank % TEST_SHARE == TEST_SHARE - 1) == (split == "test")
    pixels = np.rint(images[keep] * (255 / 16)).astype(np.uint8)[:, None]
    return Dataset("digits", pixels, labels[keep], tuple(str(k) for k in range(10)))
