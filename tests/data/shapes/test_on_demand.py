import hashlib
import time

import numpy as np
import pytest
import torch

from dit_lite import ConfigError
from dit_lite.data import Loader, captioned_shapes, load_data
from dit_lite.data.shapes import batch, example


@pytest.mark.parametrize(
    ("index", "image", "caption"),
    [
        (
            1,
            "0d06e66e42685e6cb966cac08f546b70ebb9418286d5dcd3e967836c0b1f1108",
            "a small green square",
        ),
        (
            8,
            "55bc5f0a0fd5b38ffbd481ee1b5e04cafdd47a08f8a259cab01ec4f37cca58e3",
            "a dotted blue triangle at the top right and a big red circle at the left",
        ),
        (
            14,
            "62828c30857e98e1727503c8a2eb9d9e583662bcbde48891f8eb4273b939dada",
            "a small purple square is left of a small purple cross on a dark background",
        ),
    ],
)
def test_pictures_and_captions_are_the_same_on_every_machine(index, image, caption):
    found = example(0, index)
    assert found.caption == caption
    assert hashlib.sha256(found.image.tobytes()).hexdigest() == image


def test_an_example_knows_all_about_its_picture():
    found = example(0, 12)
    assert found.image.shape == (3, 32, 32)
    assert found.image.dtype == np.uint8
    assert found.masks.shape == (3, 32, 32)
    assert found.masks.dtype == bool
    assert len(found.objects) == 3
    assert (found.objects[0].shape, found.objects[0].place) == ("diamond", "top right")
    assert found.tokens.shape == (16,)


def test_an_example_is_its_row_of_a_batch():
    drawn = batch(3, np.array([5, 900, 7]), "unseen", (1, 1, 1))
    alone = example(3, 900, "unseen", (1, 1, 1))
    assert np.array_equal(drawn.images[1], alone.image)
    assert np.array_equal(drawn.tokens[1], alone.tokens)


def test_the_set_is_computed_where_it_is_indexed():
    data = load_data("shapes")
    assert len(data) == 1_000_000
    assert data.images.shape == (1_000_000, 3, 32, 32)
    index = np.array([[3, 2_000_000], [0, 3]])
    assert data.images[index].shape == (2, 2, 3, 32, 32)
    assert np.array_equal(data.images[index][1, 1], example(0, 3).image)
    assert np.array_equal(data.labels[5:7], [example(0, i).tokens for i in (5, 6)])
    assert np.array_equal(data.labels[5], example(0, 5).tokens)
    small = captioned_shapes("test", length=20)
    assert np.asarray(small.images).shape == (20, 3, 32, 32)
    assert small.scenes(np.arange(20)).count.shape == (20,)


def test_a_loader_counts_through_fresh_pictures_and_repeats_them_from_its_state():
    data, generator = load_data("shapes"), torch.Generator()

    def loader(seed):
        return Loader(data, 8, seed, torch.device("cpu"))

    first = loader(0)
    (x, y), (later, _) = first.next(generator), first.next(generator)
    assert x.shape == (8, 3, 32, 32)
    assert (x.dtype, y.dtype, y.shape) == (torch.float32, torch.int64, (8, 16))
    assert first.seen == 16
    expected = batch(0, np.arange(8, 16)).images
    assert torch.equal(later, torch.from_numpy(expected).float() / 127.5 - 1)
    again = loader(0)
    again.seen = 8
    assert torch.equal(again.next(generator)[0], later)
    assert not torch.equal(loader(1).next(generator)[0], x)


def test_splits_and_sizes_that_shapes_lack_are_refused():
    with pytest.raises(
        ConfigError, match="split='val' is not known; choose one of: train"
    ):
        load_data("shapes", "val")
    with pytest.raises(ConfigError, match="choose one of: train, test"):
        load_data("digits", "unseen")
    with pytest.raises(ConfigError, match="image_size=16 does not fit shapes"):
        load_data("shapes", image_size=16)


def test_pictures_come_faster_than_a_model_learns_from_them(record_property):
    batch(0, np.arange(256))  # the stamps are cut once
    start = time.process_time()
    for k in range(8):
        batch(0, np.arange(256 * k, 256 * (k + 1)))
    speed = 2048 / (time.process_time() - start)
    record_property("images and captions per second of one core", round(speed))
    assert speed > 1000  # a fifth of what an idle core is asked for
