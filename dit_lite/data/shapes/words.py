"""The vocabulary of captions, and captions as numbers: 41 words, at most 16 per
caption, 0 where there is none.
"""

from collections.abc import Sequence

import numpy as np

from ...config import captions
from ...config.captions import CaptionError
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
EXAMPLE = "a red circle above a blue square"


def encode(caption: str) -> np.ndarray:
    """A caption as ids of words, (16,) int64, padded with 0; errors as in
    `dit_lite.config.captions.encode`.
    """
    way_out = "leave out sizes, textures or the background"
    return np.array(captions.encode(caption, WORDS, MAX_TOKENS, way_out))


def encode_all(captions: Sequence[str]) -> np.ndarray:
    """Captions as ids, (n, 16) int64; raises what `encode` does."""
    return np.stack([encode(caption) for caption in captions])


def decode(ids: Sequence[int]) -> str:
    """The caption of ids (M,); padding is left out. Raises CaptionError for a number
    that is not a word.
    """
    numbers = [int(i) for i in ids]
    for i in numbers:
        if not 0 <= i < len(WORDS):
            raise CaptionError(
                f"id {i} is not a word; ids go from 0 (padding) to {len(WORDS) - 1}"
            )
    return " ".join(WORDS[i] for i in numbers if i != PADDING)
