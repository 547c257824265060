"""A solution is shown collapsed, as code, and only if it passes its exercise's check: a
page with a wrong solution is not built.
"""

from collections.abc import Callable

from ...config import choose
from ...widgets.card import card
from ...widgets.source import Source, code_of, highlighted
from ..exercise import verify

SOLUTIONS: dict[str, Callable] = {}


def solves(name: str) -> Callable:
    """Register a function as the solution of exercise `name`."""

    def register(answer: Callable) -> Callable:
        SOLUTIONS[name] = answer
        return answer

    return register


def solution(name: str, remark: str = "") -> Source:
    """Run the solution of exercise `name` and show its code, collapsed; `remark` is a
    sentence below it, which may contain <em>, <code> and <sub>.

    Raises ConfigError for an unknown name, CheckFailed for a solution that is wrong.
    """
    choose("exercise", name, SOLUTIONS)
    verify(name, SOLUTIONS[name])
    code = "\n".join(code_of(SOLUTIONS[name]).splitlines()[1:])  # without @solves
    below = f"<p>{remark}</p>" if remark else ""
    inner = (
        f'<details class="dit-solution"><summary>Solution of exercise {name}</summary>'
        f'<div class="dit-source">{highlighted(code)}</div>{below}</details>'
    )
    return Source(card(inner).data, f"Solution of exercise {name}: it passes.")
