"""Scenes in plain English: one true caption for each, drawn from the paraphrases of a
small grammar, for thousands of scenes at once.

    one      [on a BG background] [at the top left is] NP [at the top left] [on a ...]
    two      NP left of NP | NP is above NP | NP at PLACE and NP at PLACE | NP and NP
    three    NP and NP and NP | NP at PLACE and NP left of NP
    NP       a [small] [striped] red circle

Every caption names the shape and the colour of all objects, in the order of the scene.
What it does not say may be anything.
"""

import numpy as np

from .counter import Draws
from .scene import BACKGROUNDS, COLOURS, MOST, SHAPES, SIZES, SPLITS, TEXTURES, Scenes
from .words import IDS, MAX_TOKENS


def _ids(*names: str) -> np.ndarray:
    return np.array([IDS[name] if name else 0 for name in names])


A, AN, THE, AND, OF, AT, ON, IN, IS = _ids(
    "a", "an", "the", "and", "of", "at", "on", "in", "is"
)
# two ways to say a thing: the usual one and another
SIZE_WORDS = np.stack([_ids(*SIZES), _ids("little", "big")])
CENTRE_WORDS, BELOW_WORDS = _ids("centre", "middle"), _ids("below", "under")
ROW_WORDS, COLUMN_WORDS = _ids("top", "", "bottom"), _ids("left", "", "right")


class _Sentence:
    """Columns of words that may be empty (0), for n captions at once; parts that can be
    left out have names.
    """

    def __init__(self):
        self.columns: list[np.ndarray] = []
        self.parts: dict[str, list[int]] = {}
        self.nouns: list[int] = []  # the column of each article; colour is 3 further

    def say(self, *words: np.ndarray, part: str = "") -> None:
        self.parts.setdefault(part, []).extend(
            range(len(self.columns), len(self.columns) + len(words))
        )
        self.columns.extend(words)

    def tokens(self, leave_out: list[str]) -> np.ndarray:
        """The words (n, 16) without the empty columns; if there are more, parts are
        left out in this order until they fit.
        """
        table = np.stack(self.columns, 1).astype(np.int16)
        for part in leave_out:
            long = np.flatnonzero((table > 0).sum(1) > MAX_TOKENS)
            table[np.ix_(long, self.parts[part])] = 0
        for article in self.nouns:  # "an orange", once it is known what comes next
            size, texture, colour = (table[:, article + i] for i in (1, 2, 3))
            vowel = (colour == IDS["orange"]) & (size == 0) & (texture == 0)
            table[vowel, article] = AN
        order = np.argsort(table == 0, axis=1, kind="stable")[:, :MAX_TOKENS]
        return np.take_along_axis(table, order, 1).astype(np.int64)


def write(
    scenes: Scenes,
    seed: int,
    index: np.ndarray,
    split: str = "train",
    paraphrase: int = 0,
) -> np.ndarray:
    """A true caption of each scene as ids: (n, 16) int64, padded with 0.

    seed, index (n,) and split are those of the scenes; `paraphrase` 0, 1, 2 ... chooses
    other words for the same scene.
    """
    index = np.atleast_1d(np.asarray(index))
    stream = 2 * (SPLITS[split][0] + len(SPLITS) * paraphrase) + 1
    draws = Draws(seed, stream, index, 40)
    one, two, three = (scenes.count == k for k in (1, 2, 3))
    form, twist = draws.below(4), draws.below(4)
    behind, before = draws.below(8) < 3, draws.below(8) == 0
    behind &= ~before
    chained = (two & (form < 2)) | (three & (form < 2))  # by a relation
    placed = two & (form == 2)  # each by its place
    place = [
        (one & (form < 2)) | placed | (three & chained),
        placed,
        np.zeros_like(one),
    ]
    fronted = one & (form == 2)

    sentence = _Sentence()
    background = _ids(*BACKGROUNDS)[scenes.background]

    def scenery(here: np.ndarray) -> None:
        words = (ON, A, background, IDS["background"])
        sentence.say(*(here * word for word in words), part="background")

    def where(k: int, here: np.ndarray) -> None:
        column, row = scenes.column[:, k], scenes.row[:, k]
        centre = (column == 1) & (row == 1)
        corner = (column != 1) & (row != 1)
        other = draws.below(4) == 0
        at = np.where(centre | (corner & other), IN, AT)
        middle = centre * CENTRE_WORDS[other.astype(int)]
        words = (at, THE, ROW_WORDS[row] + middle, COLUMN_WORDS[column])
        sentence.say(*(here * word for word in words))

    def noun(k: int) -> None:
        here = scenes.count > k
        sentence.nouns.append(len(sentence.columns))
        with_size, with_texture = draws.below(2), draws.below(2)
        other = (draws.below(4) == 0).astype(int)
        sentence.say(here * A)
        size, texture = scenes.size[:, k], scenes.texture[:, k]
        sentence.say(here * with_size * SIZE_WORDS[other, size], part=f"size {k}")
        sentence.say(
            here * with_texture * _ids(*TEXTURES)[texture], part=f"texture {k}"
        )
        colour, shape = scenes.colour[:, k], scenes.shape[:, k]
        sentence.say(here * _ids(*COLOURS)[colour], here * _ids(*SHAPES)[shape])

    def relation(k: int, here: np.ndarray) -> None:
        """The relation of object k to the next: along an axis that separates them."""
        across = scenes.column[:, k + 1] - scenes.column[:, k]
        down = scenes.row[:, k + 1] - scenes.row[:, k]
        sideways = (abs(across) == 2) & ((abs(down) < 2) | (draws.below(2) == 0))
        other = (draws.below(4) == 0).astype(int)
        beside = np.where(across > 0, IDS["left"], IDS["right"])
        stacked = np.where(down > 0, IDS["above"], BELOW_WORDS[other])
        sentence.say((here & two & (twist == 0)) * IS, part="is")
        sentence.say(here * np.where(sideways, beside, stacked), (here & sideways) * OF)

    scenery(before)
    where(0, fronted)
    sentence.say((fronted & (twist < 2)) * IS)
    for k in range(MOST):
        noun(k)
        where(k, place[k])
        if k == 0:
            relation(0, two & chained)
            sentence.say(((two & ~chained) | three) * AND)
        if k == 1:
            relation(1, three & chained)
            sentence.say((three & ~chained) * AND)
    scenery(behind)
    return sentence.tokens(
        ["is", "background"]
        + [f"texture {k}" for k in reversed(range(MOST))]
        + [f"size {k}" for k in reversed(range(MOST))]
    )
