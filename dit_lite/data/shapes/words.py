"""The vocabulary of captions, and captions as numbers: 43 words, at most 16 to a
caption, 0 where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from .scene import BACKGROUNDS, COLOURS, SHAPES, SIZES, TEXTURES

PADDING = 0
MAX_TOKENS = 16  # M

#: id -> word; "" is padding.
WORDS = (
    "", "a", "an", "the", "and", "of", "at", "on", "in", "is", "background",
    *SHAPES, *COLOURS, *SIZES, "little", "big", *TEXTURES, *BACKGROUNDS,
    "left", "right", "top", "bottom", "centre", "middle", "above", "below", "under",
)  # fmt: skip
IDS = {word: i for i, word in enumerate(WORDS) if word}
SPELLINGS = {"center": "centre", "color": "colour"}
EXAMPLE = "a red circle above a blue square"


class CaptionError(ValueError):
    """A caption that cannot be used; the message says which word and what to write."""


def encode(caption: str) -> np.ndarray:
    """A caption as ids of words, (16,) int64, padded with 0.

    Case and punctuation do not matter. Raises CaptionError for a word that is not in
    WORDS, naming the nearest that is, for a caption without words, and for one of more
    than 16; TypeError for what is no string.
    """
    if not isinstance(caption, str):
        raise TypeError(
            f"caption={caption!r} is of {type(caption).__name__}; expected a string "
            f"such as {EXAMPLE!r}"
        )
    found = [SPELLINGS.get(w, w) for w in re.findall(r"[^\s.,;:!?]+", caption.lower())]
    if not found:
        raise CaptionError(
            f"caption={caption!r} has no words; write for instance {EXAMPLE!r}, or use "
            "the null caption of 16 zeros for a picture of anything"
        )
    for word in found:
        if word not in IDS:
            near = get_close_matches(word, IDS, n=1, cutoff=0)[0]
            raise CaptionError(
                f"caption={caption!r} has the unknown word {word!r}; did you mean "
                f"{near!r}? The words are: {', '.join(IDS)}"
            )
    if len(found) > MAX_TOKENS:
        raise CaptionError(
            f"caption={caption!r} has {len(found)} words, at most {MAX_TOKENS} fit; "
            "leave out sizes, textures or the background"
        )
    ids = np.full(MAX_TOKENS, PADDING)
    ids[: len(found)] = [IDS[word] for word in found]
    return ids


def encode_all(captions: Sequence[str]) -> np.ndarray:
    """Captions as ids, (n, 16) int64; raises what `encode` does."""
    return np.stack([encode(caption) for caption in captions])


def decode(ids: Sequence[int]) -> str:
    """The caption of ids (M,); padding is left out. Raises CaptionError for a number
    that is no word.
    """
    numbers = [int(i) for i in ids]
    for i in numbers:
        if not 0 <= i < len(WORDS):
            raise CaptionError(
                f"id {i} is no word; ids go from 0 (padding) to {len(WORDS) - 1}"
            )
    return " ".join(WORDS[i] for i in numbers if i != PADDING)
