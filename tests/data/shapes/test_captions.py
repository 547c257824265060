"""Every claim of a caption, checked against the pixels."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from dit_lite.data.shapes import (
    RELATIONS,
    WORDS,
    batch,
    decode,
    encode,
    example,
    masks,
    read,
    write,
)
from dit_lite.data.shapes.raster import RGB


def centre(mask: np.ndarray) -> np.ndarray:
    """The middle of a mask's bounding box, (across, down) in pixels."""
    down, across = np.nonzero(mask)
    return np.array([(v.min() + v.max() + 1) / 2 for v in (across, down)])


def extent(mask: np.ndarray) -> int:
    down, across = np.nonzero(mask)
    return max(np.ptp(across), np.ptp(down)) + 1


def colour_of(image: np.ndarray, mask: np.ndarray) -> int:
    """The colour that most pixels are nearest to."""
    distance = np.abs(image.astype(int)[:, mask].T[:, None] - RGB).sum(-1)
    near = distance.argmin(1)[distance.min(1) < 60]
    return np.bincount(near, minlength=6).argmax()


def texture_of(image: np.ndarray, mask: np.ndarray) -> int:
    """Whether pixels well inside are darker (stripes) or paler (dots) than the rest."""
    inner = image.astype(int)[:, binary_erosion(mask, np.ones((3, 3)))]
    change = inner - np.median(inner, 1)[:, None]
    dark, pale = (change.sum(0) < -90).sum(), (change.sum(0) > 90).sum()
    return 1 if dark > pale else 2 if pale else 0


@pytest.mark.parametrize("split", ["train", "unseen"])
@pytest.mark.parametrize("paraphrase", [0, 1, 2])
def test_what_a_caption_claims_is_true_of_the_pixels(split, paraphrase):
    index = np.arange(400)
    drawn = batch(17, index, split, (1, 1, 1))
    visible = masks(drawn.scenes)
    tokens = write(drawn.scenes, 17, index, split, paraphrase)
    claimed = 0
    for i in index:
        claims = read(tokens[i])
        where = [centre(mask) for mask in visible[i][: len(claims.objects)]]
        assert len(claims.objects) == visible[i].any((1, 2)).sum()
        for said, mask, at in zip(claims.objects, visible[i], where, strict=False):
            assert said["shape"] == drawn.scenes.shape[i][claims.objects.index(said)]
            assert said["colour"] == colour_of(drawn.images[i], mask)
            if "size" in said:
                assert said["size"] == int(extent(mask) > 9)
            if "row" in said:
                assert [said["column"], said["row"]] == [
                    int(v > 12) + int(v > 20) for v in at
                ]
            claimed += len(said)
        for a, relation, b in claims.relations:
            dx, dy = where[b] - where[a]
            ahead = dict(zip(RELATIONS, (dx, -dx, dy, -dy), strict=True))
            assert ahead[RELATIONS[relation]] > 10
            claimed += 1
        if claims.background is not None:
            corners = drawn.images[i][:, [0, 0, -1, -1], [0, -1, 0, -1]]
            assert (claims.background == 0) == (corners.max() < 90)
            assert (claims.background == 2) == _checkered(drawn.images[i])
            claimed += 1
    assert claimed > 2000


def _checkered(image: np.ndarray) -> bool:
    """Whether the rim jumps from pale to paler more than a few times."""
    rim = np.concatenate([image[0, 0], image[0, -1]]).astype(int)
    return (np.abs(np.diff(rim)) == 44).sum() > 4


def test_textures_are_told_apart_by_pixels_alone():
    drawn = batch(4, np.arange(600), "every", (1, 0, 0))
    visible = masks(drawn.scenes)[:, 0]
    told = np.array(
        [texture_of(a, m) for a, m in zip(drawn.images, visible, strict=True)]
    )
    large = drawn.scenes.size[:, 0] == 1
    assert np.array_equal(told[large], drawn.scenes.texture[large, 0])


def test_paraphrases_say_the_same_scene_in_other_words():
    found = example(0, 14, paraphrases=30)
    assert len(found.paraphrases) > 10
    kinds = {
        tuple((o["shape"], o["colour"]) for o in read(text).objects)
        for text in (found.caption, *found.paraphrases)
    }
    assert len(kinds) == 1


def test_every_word_is_used_and_no_caption_is_longer_than_sixteen():
    tokens = batch(0, np.arange(4000)).tokens
    assert tokens.shape == (4000, 16)
    assert tokens.dtype == np.int64
    assert set(np.unique(tokens)) == set(range(len(WORDS)))


def test_captions_are_english_to_the_article():
    for row in batch(3, np.arange(2000)).tokens:
        words = decode(row).split()
        assert np.array_equal(encode(" ".join(words)), row)
        for article, following in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (following == "orange")


def test_padding_comes_last():
    tokens = batch(9, np.arange(1000)).tokens
    assert ((np.diff((tokens > 0).astype(int), axis=1)) <= 0).all()
    assert (tokens[:, 2] > 0).all()
