"""Captions as numbers: the number of a word is its index in a vocabulary, whose first
entry is padding.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches

SPELLINGS = {"center": "centre", "color": "colour", "gray": "grey"}


class CaptionError(ValueError):
    """A caption that cannot be used; the message says which word and what to write."""


def words_in(caption: str) -> list[str]:
    """The words of a caption, in lower case and without punctuation."""
    return re.findall(r"[^\s.,;:!?]+", caption.lower())


def encode(
    caption: str, vocabulary: Sequence[str], length: int, way_out: str = ""
) -> list[int]:
    """A caption as the numbers of its words in `vocabulary`, padded with 0 to `length`.

    Case and punctuation do not matter. Raises CaptionError for a word that is not in
    the vocabulary, suggesting the nearest one, for a caption without words, and for one
    of more than `length` words, saying the `way_out`; TypeError for anything but a
    string.
    """
    numbers = {word: i for i, word in enumerate(vocabulary) if word}
    if not isinstance(caption, str):
        raise TypeError(
            f"caption={caption!r} is of type {type(caption).__name__}; expected a "
            "string of words"
        )
    found = words_in(caption)
    found = [word if word in numbers else SPELLINGS.get(word, word) for word in found]
    if not found:
        raise CaptionError(
            f"caption={caption!r} has no words; write some, or use the null caption, "
            f"{length} zeros, for an unconditional image"
        )
    for word in found:
        if word not in numbers:
            near = get_close_matches(word, numbers, n=1, cutoff=0)[0]
            raise CaptionError(
                f"caption={caption!r} has the unknown word {word!r}; did you mean "
                f"{near!r}? The words are: {', '.join(numbers)}"
            )
    if len(found) > length:
        raise CaptionError(
            f"caption={caption!r} has {len(found)} words, but at most {length} fit; "
            f"{way_out or 'leave some out'}"
        )
    return [numbers[word] for word in found] + [0] * (length - len(found))
