"""What a picture of the shapes shows: the attribute table, and scenes drawn from it.

A picture is a grid of three by three places. Objects stand in places that are two
columns or two rows apart, so none touches another, and "left of" or "above" is never a
matter of opinion.
"""

from dataclasses import dataclass, fields
from itertools import product
from typing import Self

import numpy as np

from ...config import ConfigError, choose
from .counter import Draws

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "heart")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
SIZES = ("small", "large")
TEXTURES = ("solid", "striped", "dotted")
BACKGROUNDS = ("dark", "light", "checkered")
ROWS = ("top", "", "bottom")
COLUMNS = ("left", "", "right")

SIDE = 32  # pixels
MOST = 3  # objects
PLACE_CENTRES = (8, 16, 24)  # of columns and of rows, in pixels
SHIFT = 6  # quarter pixels by which an object may leave the centre of its place
HALVES = ((30, 32), (48, 50))  # half extents of small and large, in eighths of a pixel
BACKDROPS = 8  # variants of each background
SHADES = 12  # levels of 255 by which the colour of an object may be off

#: (shape, colour) pairs that training never shows: one for each shape and each colour.
HELD_OUT = tuple(
    (s, c)
    for s, c in product(range(len(SHAPES)), range(len(COLOURS)))
    if (s + c) % len(SHAPES) == 1
)
EVERY = tuple(product(range(len(SHAPES)), range(len(COLOURS))))
SEEN = tuple(pair for pair in EVERY if pair not in HELD_OUT)

#: split -> (stream of random numbers, pairs that it draws from); "every" is for
#: training judges, which must know pairs that the judged model has not seen
SPLITS = {
    "train": (0, SEEN),
    "test": (1, SEEN),
    "unseen": (2, HELD_OUT),
    "every": (3, EVERY),
}
DEFAULT_MIX = (2, 2, 1)


def apart(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether places (column, row) are two columns or two rows apart."""
    return abs(a[0] - b[0]) == 2 or abs(a[1] - b[1]) == 2


def _layouts(count: int) -> np.ndarray:
    """All ways to put `count` objects in places apart: (ways, count, 2)."""
    places = list(product(range(3), range(3)))
    return np.array(
        [
            layout
            for layout in product(places, repeat=count)
            if all(apart(layout[i], layout[j]) for i in range(count) for j in range(i))
        ]
    )


LAYOUTS = tuple(_layouts(count) for count in range(1, MOST + 1))


@dataclass(frozen=True)
class Object:
    """One object by its names: `place` is "top left", "left", "centre" ..., and
    (x, y) its centre in pixels, from the upper left corner.
    """

    shape: str
    colour: str
    size: str
    texture: str
    place: str
    x: float
    y: float


@dataclass(frozen=True)
class Scenes:
    """n scenes as numbers. `count` (n,) objects each; shape, colour, size, texture,
    column, row (n, 3) index the names above, in the order in which captions mention the
    objects; x, y (n, 3) centres in quarter pixels; half (n, 3) in eighths of a pixel;
    shade (n, 3, 3) what is added to the colour; background and backdrop (n,), its
    variant. Objects beyond `count` mean nothing.
    """

    count: np.ndarray
    shape: np.ndarray
    colour: np.ndarray
    size: np.ndarray
    texture: np.ndarray
    column: np.ndarray
    row: np.ndarray
    x: np.ndarray
    y: np.ndarray
    half: np.ndarray
    shade: np.ndarray
    background: np.ndarray
    backdrop: np.ndarray

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, index) -> Self:
        """The scenes of an index array or a slice."""
        return Scenes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def objects(self, i: int) -> tuple[Object, ...]:
        """The objects of scene i, in the order of its caption."""
        return tuple(
            Object(
                SHAPES[self.shape[i, k]], COLOURS[self.colour[i, k]],
                SIZES[self.size[i, k]], TEXTURES[self.texture[i, k]],
                place_name(self.column[i, k], self.row[i, k]),
                float(self.x[i, k] / 4), float(self.y[i, k] / 4),
            )
            for k in range(self.count[i])
        )  # fmt: skip


def place_name(column: int, row: int) -> str:
    """The place of a column and a row, 0 to 2: "top left", "left", "centre" ..."""
    return " ".join(filter(None, (ROWS[row], COLUMNS[column]))) or "centre"


def check_mix(mix: tuple[int, ...]) -> tuple[int, ...]:
    """The shares of scenes with one, two, three objects, as whole numbers; raises
    ConfigError for anything else.
    """
    given = mix if isinstance(mix, (tuple, list)) else ()
    whole = all(isinstance(m, int | np.integer) and m >= 0 for m in given)
    if len(given) != MOST or not whole or not sum(given):
        raise ConfigError(
            f"mix={mix} must be {MOST} whole numbers, the shares of scenes with one, "
            f"two and three objects, not all 0; {DEFAULT_MIX} is usual"
        )
    return tuple(int(m) for m in mix)


def draw_scenes(
    seed: int,
    index: np.ndarray,
    split: str = "train",
    mix: tuple[int, int, int] = DEFAULT_MIX,
) -> Scenes:
    """The scenes that belong to index (n,) of a seed and a split ("train", "test",
    "unseen", "every"); `mix` are the shares of one, two and three objects.

    Raises ConfigError for an unknown split or another mix, ValueError or TypeError for
    a seed or an index that is not a natural number.
    """
    choose("split", split, SPLITS)
    stream, pairs = SPLITS[split]
    index = np.atleast_1d(np.asarray(index))
    draws, n = Draws(seed, 2 * stream, index, 40), len(index)
    count = 1 + draws.weighted(check_mix(mix))
    kinds = np.array(pairs)[_without_repeats(draws, len(pairs))]
    places = np.zeros((n, MOST, 2), np.int64)
    way = np.zeros(n, np.int64)
    for k, layouts in enumerate(LAYOUTS):
        way = draws.below(len(layouts))
        here = count == k + 1
        places[here, : k + 1] = layouts[way[here]]
    size, nudge, texture = (np.zeros((n, MOST), np.int64) for _ in range(3))
    x, y = (np.zeros((n, MOST), np.int64) for _ in range(2))
    shade = np.zeros((n, MOST, 3), np.int64)
    centres = 4 * np.array(PLACE_CENTRES)
    for k in range(MOST):
        size[:, k] = draws.below(2)
        nudge[:, k] = draws.below(2)
        texture[:, k] = draws.weighted((2, 1, 1))
        x[:, k] = centres[places[:, k, 0]] + draws.below(2 * SHIFT + 1) - SHIFT
        y[:, k] = centres[places[:, k, 1]] + draws.below(2 * SHIFT + 1) - SHIFT
        for channel in range(3):
            shade[:, k, channel] = draws.below(2 * SHADES + 1) - SHADES
    background = draws.below(len(BACKGROUNDS))
    return Scenes(
        count, kinds[..., 0], kinds[..., 1], size, texture,
        places[..., 0], places[..., 1], x, y, np.array(HALVES)[size, nudge], shade,
        background, draws.below(BACKDROPS),
    )  # fmt: skip


def _without_repeats(draws: Draws, kinds: int) -> np.ndarray:
    """Three different numbers below `kinds` for each image, (n, 3): no two objects of
    a scene agree in shape and colour.
    """
    first, second, third = (draws.below(kinds - k) for k in range(MOST))
    second += second >= first
    low, high = np.minimum(first, second), np.maximum(first, second)
    third += third >= low
    third += third >= high
    return np.stack([first, second, third], 1)
