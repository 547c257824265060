"""Predict, then reveal: the reader commits before the measured result appears."""

from collections.abc import Sequence

from .arrays import check_number, check_text, check_whole
from .explorer import explorer


def predict(
    question: str,
    answer: float,
    low: float,
    high: float,
    unit: str = "",
    log: bool = False,
    explanation: str = "",
    digits: int = 3,
):
    """Ask for a number between `low` and `high`, by slider or by typing; a button then
    shows `answer` beside it and the explanation.

    answer is a number computed by the cell, in `unit`; `log` makes the scale
    logarithmic; `digits` significant digits are shown. question and explanation are one
    sentence each and may contain <em>, <code> and <sub>. Raises ValueError or
    TypeError, naming the argument.
    """
    low, high = check_number("low", low), check_number("high", high)
    if low >= high or (log and low <= 0):
        raise ValueError(
            f"low={low:g} and high={high:g}: expected {'0 < ' if log else ''}low "
            f"< high{', since log=True' if log else ''}"
        )
    check_whole("digits", digits, 1, 10)
    check_text("question", question)
    check_text("explanation", explanation, empty=True)
    return explorer(
        "predict", label="Predict, then reveal", height=_height(question, explanation,
        256, 316),
        question=question, answer=check_number("answer", answer, low, high), low=low,
        high=high, unit=check_text("unit", unit, False, True),
        powers=bool(log), explanation=explanation, digits=digits, options=[],
        guess=None, revealed=False,
    )  # fmt: skip


def choose(question: str, options: Sequence[str], answer: int, explanation: str = ""):
    """Ask for one of two to four `options`; a button then shows the right one, `answer`
    (its index), and the explanation.

    question, options and explanation may contain <em>, <code> and <sub>. Raises
    ValueError or TypeError, naming the argument.
    """
    if isinstance(options, str) or not 2 <= len(options) <= 4:
        raise ValueError(
            f"options={options!r}: expected a list of two to four sentences"
        )
    options = [check_text(f"options[{i}]", option) for i, option in enumerate(options)]
    check_whole("answer", answer, 0, len(options) - 1)
    check_text("question", question)
    check_text("explanation", explanation, empty=True)
    rows = 54 * len(options)
    return explorer(
        "predict", label="Predict, then reveal", height=_height(question, explanation,
        134 + rows, 146 + rows),
        question=question, answer=answer, options=options, explanation=explanation,
        guess=None, revealed=False,
    )  # fmt: skip


def _height(question: str, explanation: str, wide: int, phone: int) -> tuple[str, str]:
    """Room for the sentences: about 80 characters per line on a wide page, 38 on a
    phone.
    """
    lines = [
        sum(-(-len(text) // width) for text in (question, explanation))
        for width in (80, 38)
    ]
    return f"{wide + 25 * lines[0]}px", f"{phone + 25 * lines[1]}px"
