"""A section's statements, checked against its numbers: one call per section."""

import html
from collections.abc import Mapping

import numpy as np

from ..widgets.card import card


class StatementError(AssertionError):
    """A sentence of the text that the numbers contradict."""


class Statements:
    """Sentences that hold, as a closed list."""

    def __init__(self, sentences: list[str]):
        self.sentences = sentences

    def __repr__(self) -> str:
        return "\n".join(f"holds: {sentence}" for sentence in self.sentences)

    def _repr_html_(self) -> str:
        count = len(self.sentences)
        said = "Checked against the numbers: " + (
            "one statement of this section"
            if count == 1
            else f"{count} statements of this section"
        )
        rows = "".join(
            f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences
        )
        return card(
            f'<details class="dit-statements"><summary>{said}</summary><ul>{rows}</ul>'
            "</details>"
        ).data


def statements(said: Mapping[str, object]) -> Statements:
    """Check sentences of the text against conditions: `said` is {sentence: condition},
    where a condition is a boolean, or an array of booleans that must all be true.

    Raises StatementError with every sentence that does not hold.
    """
    wrong = [
        sentence
        for sentence, condition in said.items()
        if not bool(np.asarray(condition).all())
    ]
    if wrong:
        raise StatementError("the numbers say otherwise: " + "; ".join(wrong))
    return Statements(list(said))
