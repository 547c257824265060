"""Which class names can be printed in a table, a model card and a terminal line."""

import unicodedata

LONGEST = 255
#: Control characters, lone surrogates, line and paragraph separators.
CONTROL = {"Cc", "Cs", "Zl", "Zp"}
#: Controls of the reading direction, which can make a text look like another one.
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def fault_of_name(name: str) -> str | None:
    """What is wrong with the name of a class, in words; None if it can be printed."""
    for c in name:
        if unicodedata.category(c) in CONTROL or unicodedata.bidirectional(c) in TURNS:
            return f"the control character {c!r}"
    if len(name) > LONGEST:
        return f"{len(name):,} characters, but at most {LONGEST} are shown"
    return None
