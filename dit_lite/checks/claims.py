"""Claims of the source text, judged: a cell measures, and `claim` checks the
measurement against the verdict.
"""

import html
import json
import operator
import os
import re
from functools import cache
from pathlib import Path

from ..files.environment import resource
from ..widgets.card import note

#: The verdicts, each with its card colour.
ACCENT = {
    "right": "green",
    "imprecise": "amber",
    "wrong": "red",
    "unproven": "amber",
    "missing": "blue",
}
VERDICTS = tuple(ACCENT)
TESTS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


class ClaimError(AssertionError):
    """A measurement that contradicts the verdict of book/claims.yml."""


class ClaimCard:
    """A claim and its verdict, which expand to the right statement and the
    measurement; plain text where HTML is not shown.
    """

    def __init__(self, name: str, entry: dict, value: float | None):
        self.name, self.entry, self.value = name, entry, value

    def __repr__(self) -> str:
        if self.value is None:
            return f"{self.name} ({self.entry['verdict']}): {self.entry['right']}"
        return (
            f"{self.name} ({self.entry['verdict']}): {self.entry['measure']} = "
            f"{self.value:.4g}, expected {self.entry['expect']}"
        )

    def _repr_html_(self) -> str:
        e = {key: typeset(html.escape(str(value))) for key, value in self.entry.items()}
        measured = (
            "Not measured here."
            if self.value is None
            else f"{e['measure']}: <b>{self.value:.4g}</b> "
            f"(expected {expected(self.entry['expect'])})"
        )
        return note(
            f"<details><summary><strong>{self.name}</strong> "
            f'<span class="dit-claim-verdict">{e["verdict"]}</span> '
            f'<span class="dit-claim-said">{e["statement"]}</span></summary>'
            f"<p>{e['right']} <cite>{e['source']}</cite></p>"
            f'<p class="dit-claim-value">{measured}</p></details>',
            ACCENT[self.entry["verdict"]],
            "dit-claim",
        ).data


def typeset(text: str) -> str:
    """A sentence of book/claims.yml as HTML: P^2 with its exponent raised, x_t and
    I_total with their index lowered. Names from code, such as class_id, stay as they
    are.
    """
    text = re.sub(r"\^(\w+)", r"<sup>\1</sup>", text)
    text = re.sub(r"\^\(([^()]*)\)", r"<sup>\1</sup>", text)
    index = r"\b([A-Za-z](?=_[a-z]+\b)|[A-Za-z]{1,3}(?=_\w{1,3}\b))_([a-zA-Z0-9]+)\b"
    return re.sub(index, r"\1<sub>\2</sub>", text)


def expected(condition: str) -> str:
    """An expectation in mathematical signs, which no line break separates from their
    numbers: "&lt;\N{NO-BREAK SPACE}0.02".
    """
    for code, sign in (
        ("<=", "≤"),
        (">=", "≥"),
        ("==", "="),
        ("<", "&lt;"),
        (">", "&gt;"),
    ):
        condition = condition.replace(f"{code} ", f"{sign}\N{NO-BREAK SPACE}")
    return condition


@cache
def claims() -> dict[str, dict]:
    """Every claim in book/claims.yml by id: statement, verdict, right, source,
    measure, expect. Raises ValueError for a bad entry.
    """
    try:
        import yaml
    except ImportError:
        raise ImportError(
            'claims need pyyaml: pip install "dit-lite[notebook]"'
        ) from None
    entries = yaml.safe_load(resource("book/claims.yml").read_text())
    for name, entry in entries.items():
        if missing := {"statement", "verdict", "right", "source"} - entry.keys():
            raise ValueError(
                f"claim {name} in book/claims.yml lacks {', '.join(sorted(missing))}"
            )
        if entry["verdict"] not in VERDICTS:
            raise ValueError(
                f"claim {name} has verdict {entry['verdict']!r}; choose one of: "
                f"{', '.join(VERDICTS)}"
            )
    return entries


def holds(expect: str, value: float) -> bool:
    """Whether `value` satisfies an expectation such as "< 1e-6" or ">= 0.9 and <=
    1.1".
    """
    for part in expect.split(" and "):
        sign, number = part.split()
        if not TESTS[sign](value, float(number)):  # NaN satisfies nothing
            return False
    return True


def claim(name: str, value: float | None = None) -> ClaimCard:
    """Check a measured `value` against the claim `name` of book/claims.yml; without a
    value, show a claim that has nothing to measure.

    Returns a card to display. The value is recorded, as a line of JSON, in the file
    that DIT_LITE_CLAIMS names. Raises ValueError for an unknown claim, for a value
    where the claim has no expectation, or for no value where it has one, and ClaimError
    when the value contradicts the verdict.
    """
    if name not in claims():
        raise ValueError(f"claim {name!r} is not in book/claims.yml")
    entry = claims()[name]
    if value is None:
        if "expect" in entry:
            raise ValueError(
                f"claim {name} has an expectation; pass the value: {entry['measure']}"
            )
        return ClaimCard(name, entry, None)
    if "expect" not in entry:
        raise ValueError(
            f"claim {name} has no expectation to check a value against; add `measure` "
            "and `expect` to book/claims.yml"
        )
    value = float(value)
    if record := os.environ.get("DIT_LITE_CLAIMS"):
        with open(Path(record), "a") as file:
            file.write(json.dumps({"claim": name, "value": value}) + "\n")
    if not holds(entry["expect"], value):
        raise ClaimError(
            f"{name}: {entry['measure']} = {value:.6g}, but the verdict "
            f"{entry['verdict']!r} expects {entry['expect']}"
        )
    return ClaimCard(name, entry, value)
