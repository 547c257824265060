import numpy as np
import pytest
import torch

from dit_lite import ConfigError
from dit_lite.data import Loader, digits, load_data


def test_the_splits_are_a_partition_of_the_1797_digits():
    train, test = digits("train"), digits("test")
    assert (len(train), len(test)) == (1442, 355)
    every_fifth = {
        k: ((train.labels == k).sum(), (test.labels == k).sum()) for k in range(10)
    }
    assert all(few == (many + few) // 5 for many, few in every_fifth.values())
    everything = np.concatenate([train.images, test.images]).reshape(1797, 64)
    assert len(np.unique(everything, axis=0)) == 1797  # no picture is in both


def test_the_pictures_are_those_of_the_uci_set():
    images, labels = (
        np.concatenate([getattr(digits(split), part) for split in ("train", "test")])
        for part in ("images", "labels")
    )
    # back to the original scale of 0 to 16
    ink = np.rint(images * (16 / 255)).astype(int)
    assert np.bincount(labels).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]
    assert ink.sum() == 561_718  # both numbers as in scikit-learn's copy
    assert ink.max() == 16


@pytest.mark.parametrize("split", ["train", "test"])
def test_digits_are_bytes_with_labels(split):
    data = digits(split)
    assert data.images.shape[1:] == (1, 8, 8)
    assert (data.images.dtype, data.labels.dtype) == (np.uint8, np.int64)
    assert (data.images.min(), data.images.max()) == (0, 255)
    assert data.shape == dict(
        image_size=8, channels=1, num_classes=10, class_names=tuple("0123456789")
    )
    assert not data.flip  # a mirrored 2 is no 2
    x, _ = Loader(data, len(data), 0, torch.device("cpu")).next(torch.Generator())
    assert (x.min().item(), x.max().item()) == (-1, 1)


def test_a_named_set_has_its_own_size_and_splits():
    assert len(load_data("digits", "test", image_size=8)) == 355
    with pytest.raises(
        ConfigError,
        match="image_size=16 does not fit digits, whose images have 8 pixels a side",
    ):
        load_data("digits", image_size=16)
    with pytest.raises(
        ConfigError, match="split='val' is not known; choose one of: train, test"
    ):
        load_data("digits", "val")
