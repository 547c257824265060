"""Names of classes that can stand in a table, a card and a line of a terminal."""

from __future__ import annotations

import unicodedata

LONGEST = 255
#: Control characters, halves of a character, separators of lines and paragraphs.
CONTROL = {"Cc", "Cs", "Zl", "Zp"}
#: Turns of the direction of reading, which show another text than the one there.
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def fault_of_name(name: str) -> str | None:
    """What is wrong with a name of a class, in words; None for a name that can be
    printed.
    """
    for c in name:
        if unicodedata.category(c) in CONTROL or unicodedata.bidirectional(c) in TURNS:
            return f"the control character {c!r}"
    if len(name) > LONGEST:
        return f"{len(name):,} characters, and at most {LONGEST} are shown"
    return None
