from itertools import combinations

import numpy as np
import pytest

from dit_lite.data.shapes import draw_scenes, masks, render
from dit_lite.data.shapes.raster import RGB, backdrops


def within(points: np.ndarray, *corners: tuple[float, float]) -> np.ndarray:
    """Whether points (..., 2) lie in a convex polygon, given clockwise on the screen."""
    found = np.ones(points.shape[:-1], bool)
    for a, b in zip(corners, (*corners[1:], corners[0]), strict=True):
        side = np.subtract(b, a)
        to = points - a
        found &= side[0] * to[..., 1] - side[1] * to[..., 0] >= -1e-9
    return found


def box(points: np.ndarray, w: float, h: float) -> np.ndarray:
    return within(points, (-w, -h), (w, -h), (w, h), (-w, h))


def disc(points: np.ndarray, x: float, y: float, r: float) -> np.ndarray:
    return np.hypot(points[..., 0] - x, points[..., 1] - y) <= r + 1e-9


#: the shapes as one would draw them with compasses and a ruler; r is the half extent
DRAWN = (
    lambda p, r: disc(p, 0, 0, r),
    lambda p, r: box(p, 7 / 8 * r, 7 / 8 * r),
    lambda p, r: within(
        p, (0, -r), (15 / 16 * r, 7 / 8 * r), (-15 / 16 * r, 7 / 8 * r)
    ),
    lambda p, r: within(p, (0, -r), (r, 0), (0, r), (-r, 0)),
    lambda p, r: box(p, 3 / 8 * r, r) | box(p, r, 3 / 8 * r),
    lambda p, r: (
        disc(p, -r / 2, -0.4 * r, r / 2)
        | disc(p, r / 2, -0.4 * r, r / 2)
        | within(p, (-r, -0.4 * r), (r, -0.4 * r), (0, 0.9 * r))
    ),
)


def painted(scenes, i: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scene i painted over the whole picture, one sample at a time: the picture, and
    the covered share of each object.
    """
    wide = backdrops()[scenes.background[i], scenes.backdrop[i]].reshape(3, 36, 36)
    picture = wide[:, 2:-2, 2:-2].astype(int)
    grid = (np.arange(128) + 0.5) / 4
    points = np.stack(np.meshgrid(grid, grid), -1)
    shares = []
    for k in range(scenes.count[i]):
        centre = np.array([scenes.x[i, k], scenes.y[i, k]]) / 4
        r, shape = scenes.half[i, k] / 8, DRAWN[scenes.shape[i, k]]
        covered = shape(points - centre, r)
        across, down = np.moveaxis(np.floor(points) - np.floor(centre), -1, 0)
        striped = (down % 3 == 0) & shape(points - centre, r - 0.75)
        dotted = striped & (across % 3 == 0)
        ink = (np.zeros_like(striped), striped, dotted)[scenes.texture[i, k]]
        colour = np.clip(RGB[scenes.colour[i, k]] + scenes.shade[i, k], 0, 255)
        dark = (colour, colour * 6 // 16, (colour * 3 + 255 * 13) // 16)
        both = np.stack([covered & ~ink, ink]).reshape(2, 32, 4, 32, 4).sum((2, 4))
        picture = (
            picture * (16 - both.sum(0))
            + colour[:, None, None] * both[0]
            + dark[scenes.texture[i, k]][:, None, None] * both[1]
            + 8
        ) // 16
        shares.append(both.sum(0) / 16)
    return picture, shares


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_pictures_and_masks_are_those_of_a_painter_without_stamps(split):
    scenes = draw_scenes(11, np.arange(60), split)
    pictures, visible = render(scenes), masks(scenes)
    for i in range(len(scenes)):
        picture, shares = painted(scenes, i)
        assert np.array_equal(pictures[i], picture)
        for k, share in enumerate(shares):
            assert np.array_equal(visible[i, k], share >= 0.5)
        assert not visible[i, scenes.count[i] :].any()


def test_masks_of_a_scene_do_not_overlap():
    scenes = draw_scenes(2, np.arange(500), mix=(0, 1, 1))
    for a, b in combinations(range(3), 2):
        assert not (masks(scenes)[:, a] & masks(scenes)[:, b]).any()


def test_a_large_object_has_more_than_one_and_a_half_times_the_pixels_of_a_small_one():
    scenes = draw_scenes(3, np.arange(5000), "every", (1, 0, 0))
    area = masks(scenes)[:, 0].sum((1, 2))
    for shape in range(6):
        here = scenes.shape[:, 0] == shape
        small, large = (area[here & (scenes.size[:, 0] == s)] for s in (0, 1))
        assert small.min() >= 20
        assert large.min() > 1.5 * small.max()


def test_no_colour_is_nearer_to_another_than_its_shade_may_be():
    distance = np.abs(RGB[:, None] - RGB[None]).max(-1)
    assert distance[~np.eye(6, dtype=bool)].min() > 2 * 2 * 12


def test_a_picture_does_not_depend_on_its_batch():
    scenes = draw_scenes(0, np.arange(600))
    assert np.array_equal(render(scenes)[599], render(scenes[599:])[0])
    assert render(scenes[:0]).shape == (0, 3, 32, 32)
