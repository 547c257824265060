"""A result that a page shows once it is recorded; until then the page says that it is
not.
"""

from __future__ import annotations

from collections.abc import Callable

from .budget import RECORDED
from .experiments import all_experiments, load_result
from .results import Result, read_result


class Pending:
    """One line of Markdown in place of a result that is not recorded yet."""

    def __init__(self, name: str, question: str):
        self.name, self.question = name, question

    def __repr__(self) -> str:
        return (
            f"Not recorded yet: {self.question} To record it, run `python -m dit_lite "
            f"experiment run {self.name} --budget cpu`. Until then this chapter claims "
            "nothing about it."
        )

    def _repr_markdown_(self) -> str:
        return f"*{self!r}*"


def when_recorded(name: str, show: Callable[[Result], object]) -> object:
    """`show` applied to an experiment's best recorded result, or a line saying that
    there is none yet. Raises ConfigError for an unknown experiment, ResultError for a
    record that cannot be read.
    """
    question = all_experiments()[name].question if name in all_experiments() else ""
    if question and not any(read_result(name, budget) for budget in RECORDED):
        return Pending(name, question)
    return show(load_result(name))
