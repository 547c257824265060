from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from dit_lite import ConfigError
from dit_lite.data.shapes import HELD_OUT, SEEN, draw_scenes
from dit_lite.data.shapes.scene import COLOURS, SHAPES, place_name


def pairs(scenes) -> set[tuple[int, int]]:
    """All (shape, colour) that stand in some scene."""
    exists = np.arange(3) < scenes.count[:, None]
    return set(zip(scenes.shape[exists], scenes.colour[exists], strict=True))


def test_held_out_pairs_take_one_colour_from_each_shape_and_one_shape_from_each_colour():
    assert (
        sorted(s for s, _ in HELD_OUT) == sorted(c for _, c in HELD_OUT) == [*range(6)]
    )
    assert not set(SEEN) & set(HELD_OUT)
    assert len(SEEN) + len(HELD_OUT) == len(SHAPES) * len(COLOURS)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", set(SEEN)),
        ("test", set(SEEN)),
        ("unseen", set(HELD_OUT)),
        ("every", {*SEEN, *HELD_OUT}),
    ],
)
def test_a_split_shows_all_of_its_pairs_and_no_other(split, expected):
    assert pairs(draw_scenes(1, np.arange(5000), split)) == expected


def test_splits_and_seeds_are_different_pictures():
    drawn = [
        draw_scenes(seed, np.arange(200), split)
        for seed, split in [(0, "train"), (0, "test"), (1, "train"), (0, "every")]
    ]
    for a, b in combinations(drawn, 2):
        same = (a.x == b.x) & (a.y == b.y) & (a.colour == b.colour)
        assert same.all(1).sum() < 3


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_objects_of_a_scene_are_apart_inside_and_different(seed, index):
    scenes = draw_scenes(seed, index + np.arange(50), mix=(1, 2, 2))
    for i in range(len(scenes)):
        found = scenes.objects(i)
        assert all(6.25 <= value <= 25.75 for o in found for value in (o.x, o.y))
        for a, b in combinations(found, 2):
            assert max(abs(a.x - b.x), abs(a.y - b.y)) >= 13
            assert (a.shape, a.colour) != (b.shape, b.colour)


@given(st.integers(0, 2**40))
def test_a_place_is_where_the_centre_is(seed):
    scenes = draw_scenes(seed, np.arange(50))
    for i in range(len(scenes)):
        for o in scenes.objects(i):
            column, row = (int(v > 12) + int(v > 20) for v in (o.x, o.y))
            assert o.place == place_name(column, row)
            assert min(abs(v - edge) for v in (o.x, o.y) for edge in (12, 20)) >= 2.5


def test_attributes_are_uniform_where_they_are_said_to_be():
    scenes = draw_scenes(5, np.arange(40_000), "every", (1, 1, 1))
    assert chisquare(np.bincount(scenes.count)[1:]).pvalue > 1e-3
    assert chisquare(np.bincount(scenes.background)).pvalue > 1e-3
    for k in range(3):
        here = scenes.count > k
        kinds = np.bincount(6 * scenes.shape[here, k] + scenes.colour[here, k])
        assert chisquare(kinds).pvalue > 1e-3
        assert chisquare(np.bincount(scenes.size[here, k])).pvalue > 1e-3
        n = here.sum()
        textures = np.bincount(scenes.texture[here, k])
        assert chisquare(textures, [n / 2, n / 4, n / 4]).pvalue > 1e-3
    one = scenes.count == 1
    places = np.bincount(3 * scenes.row[one, 0] + scenes.column[one, 0])
    assert chisquare(places).pvalue > 1e-3


def test_the_mix_is_the_share_of_one_two_and_three_objects():
    counts = np.bincount(draw_scenes(0, np.arange(20_000), mix=(3, 1, 0)).count)
    assert chisquare(counts[1:], [15_000, 5_000]).pvalue > 1e-3
    assert set(draw_scenes(0, np.arange(100), mix=(0, 0, 1)).count) == {3}


@pytest.mark.parametrize("mix", [(1, 1), (0, 0, 0), (1, -1, 1), (0.5, 0.5, 0)])
def test_a_mix_that_is_none_is_refused(mix):
    with pytest.raises(ConfigError, match=r"must be 3 whole numbers.*\(2, 2, 1\)"):
        draw_scenes(0, np.arange(3), mix=mix)


def test_an_unknown_split_is_refused():
    with pytest.raises(ConfigError, match="split='val' is not known; choose one of"):
        draw_scenes(0, np.arange(3), "val")
