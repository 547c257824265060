"""Names that can stand in a table, a card and a line of a terminal."""

from __future__ import annotations

import unicodedata

from .dataset import DataError

LONGEST = 255
#: Control characters, halves of a character, separators of lines and paragraphs.
CONTROL = {"Cc", "Cs", "Zl", "Zp"}
#: Turns of the direction of reading, which show another text than the one there.
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def printable(name: str, where: str) -> str:
    """The name itself; raises DataError, saying `where` it stands, for a control
    character, and for more than LONGEST characters.
    """
    for c in name:
        if unicodedata.category(c) in CONTROL or unicodedata.bidirectional(c) in TURNS:
            raise DataError(
                f"{where!r} has a name with the control character {c!r}; rename it"
            )
    if len(name) > LONGEST:
        raise DataError(
            f"{where[:60]!r} has a name of {len(name):,} characters, which begins with "
            f"{name[:20]!r}; choose one of at most {LONGEST}"
        )
    return name
