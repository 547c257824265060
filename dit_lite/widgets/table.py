"""Tables of results: one call from rows of values to Markdown, which the page,
JupyterLab and Colab all show as a table.
"""

import math
import numbers
from collections.abc import Iterable, Sequence

import numpy as np

from .arrays import as_array


class Table:
    """A table in Markdown, with a line below it."""

    def __init__(self, head: list[str], rows: list[list[str]], note: str):
        self.head, self.rows, self.note = head, rows, note

    def _repr_markdown_(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{shown}\n\n{self.note}" if self.note else shown

    def __repr__(self) -> str:
        return self._repr_markdown_()


def table(
    head: str | Sequence[str],
    rows: Iterable[Sequence],
    note: str = "",
    digits: int | None = 3,
) -> Table:
    """A table with the columns `head` ("width | loss", or a list), from rows of cells:
    text as it is, numbers with thousands separators and, unless they are counts, with
    `digits` decimals, and arrays of one value per seed as mean ± standard deviation.
    Where values differ by orders of magnitude, `digits=None` gives each its own
    decimals.

    `note` is Markdown below the table. Raises ValueError for a row of another length.
    """
    if isinstance(head, str):
        head = [name.strip() for name in head.split("|")]
    shown = []
    for i, row in enumerate(rows):
        if len(row) != len(head):
            raise ValueError(
                f"rows[{i}] has {len(row)} cells; expected {len(head)}, one for each "
                "column of head"
            )
        shown.append([_cell(value, digits) for value in row])
    return Table(list(head), shown, note)


def mean_std(values, digits: int | None = 3) -> str:
    """Values (n,) over seeds as "mean ± standard deviation"; with `digits=None` the
    decimals show three digits of the mean and at least one of the deviation.
    """
    values = as_array("values", values).astype(float)
    spread = values.std(ddof=1)
    if digits is None:
        scales = [0.01 * abs(values.mean()), spread]
        digits = max([0, *(-math.floor(math.log10(v)) for v in scales if v > 0)])
    return f"{values.mean():,.{digits}f} ± {spread:,.{digits}f}"


def mean_range(values, spec: str = ".3f") -> str:
    """Values (n,) over seeds as "mean (lowest to highest)", each in the format
    `spec`; one number where that format writes all three alike.
    """
    values = as_array("values", values).astype(float)
    mean, low, high = (
        f"{value:{spec}}" for value in (values.mean(), values.min(), values.max())
    )
    return mean if low == high else f"{mean} ({low} to {high})"


def _cell(value, digits: int | None) -> str:
    if isinstance(value, str):
        return value
    if hasattr(value, "item") and np.ndim(value) == 0:  # a tensor's or array's number
        value = value.item()
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    if isinstance(value, numbers.Real):
        return f"{value:.3g}" if digits is None else f"{value:,.{digits}f}"
    return mean_std(value, digits)
