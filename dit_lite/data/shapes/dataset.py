"""Captioned shapes as a data set: pictures and captions that are made on demand, by
(seed, index).
"""

from dataclasses import dataclass

import numpy as np

from ...config import choose
from ..dataset import Captioned
from ..on_demand import OnDemand
from .captions import write
from .raster import masks, render
from .scene import (
    BACKGROUNDS,
    DEFAULT_MIX,
    SIDE,
    SPLITS,
    Object,
    Scenes,
    check_mix,
    draw_scenes,
)
from .words import MAX_TOKENS, WORDS, decode

LENGTHS = {"train": 1_000_000, "every": 1_000_000, "test": 10_000, "unseen": 10_000}


@dataclass(frozen=True)
class Example:
    """One picture and everything that is known about it. `image` (3, 32, 32) uint8;
    `caption`, and `tokens` (16,) int64, the same as ids; `objects` and `masks`
    (objects, 32, 32) bool in the order of the caption; `background`; `paraphrases`,
    other captions of the same scene.
    """

    image: np.ndarray
    caption: str
    tokens: np.ndarray
    objects: tuple[Object, ...]
    masks: np.ndarray
    background: str
    paraphrases: tuple[str, ...]


def example(
    seed: int,
    index: int,
    split: str = "train",
    mix: tuple[int, int, int] = DEFAULT_MIX,
    paraphrases: int = 4,
) -> Example:
    """The picture of (seed, index), the same on every machine.

    `split` is "train", "test" (other pictures of the same kinds of objects), "unseen"
    (shapes in colours that training never shows together), or "every"; `mix` are the
    shares of scenes with one, two, three objects, as whole numbers; `paraphrases` is
    how many other captions are tried; duplicates are dropped. Raises ConfigError for
    another split or mix, ValueError or TypeError for a seed or index that is not a
    natural number.
    """
    scene = draw_scenes(seed, np.array([index]), split, mix)
    said = [
        write(scene, seed, np.array([index]), split, k)[0]
        for k in range(paraphrases + 1)
    ]
    others = dict.fromkeys(decode(ids) for ids in said[1:])
    others.pop(decode(said[0]), None)
    return Example(
        render(scene)[0],
        decode(said[0]),
        said[0],
        scene.objects(0),
        masks(scene)[0, : scene.count[0]],
        BACKGROUNDS[scene.background[0]],
        tuple(others),
    )


@dataclass(frozen=True)
class Batch:
    """n scenes with `images` (n, 3, 32, 32) uint8 and `tokens` (n, 16) int64."""

    scenes: Scenes
    images: np.ndarray
    tokens: np.ndarray


def batch(
    seed: int,
    index: np.ndarray,
    split: str = "train",
    mix: tuple[int, int, int] = DEFAULT_MIX,
) -> Batch:
    """The pictures and captions of index (n,), as `example` gives them one by one, with
    the same arguments and errors.
    """
    scenes = draw_scenes(seed, index, split, mix)
    return Batch(scenes, render(scenes), write(scenes, seed, index, split))


@dataclass(frozen=True)
class Shapes(Captioned):
    """Captioned shapes: `images` (n, 3, 32, 32) uint8 and, in place of labels, captions
    (n, 16) int64, both on demand.

    `fresh`: any index from 0 on has its own picture, so a loader may simply count up
    instead of shuffling `len(data)` pictures.
    """

    seed: int = 0
    split: str = "train"
    mix: tuple[int, int, int] = DEFAULT_MIX
    fresh: bool = True

    def scenes(self, index: np.ndarray) -> Scenes:
        """The true scenes of index (n,)."""
        return draw_scenes(self.seed, index, self.split, self.mix)


def shapes(
    split: str = "train",
    seed: int = 0,
    mix: tuple[int, int, int] = DEFAULT_MIX,
    length: int | None = None,
) -> Shapes:
    """Captioned shapes of a split, "train", "test" or "unseen"; nothing is stored.

    `length` is what `len` returns: a million for training, where any index is valid,
    and 10,000 held out. `mix` are the shares of scenes with one, two, three objects: a
    curriculum. Raises ConfigError for another split or mix.
    """
    choose("split", split, SPLITS)
    mix, n = check_mix(mix), LENGTHS[split] if length is None else length

    def pictures(index: np.ndarray) -> np.ndarray:
        return render(draw_scenes(seed, index, split, mix))

    def captions(index: np.ndarray) -> np.ndarray:
        return write(draw_scenes(seed, index, split, mix), seed, index, split)

    return Shapes(
        "shapes",
        OnDemand(pictures, (n, 3, SIDE, SIDE), np.dtype(np.uint8)),
        OnDemand(captions, (n, MAX_TOKENS), np.dtype(np.int64)),
        (),
        seed=seed,
        split=split,
        mix=mix,
        words=WORDS,
    )
