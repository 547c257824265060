"""The rows of a recorded result: one per run, selected by field and read by column."""

import math
from typing import Self

import torch
from torch import Tensor

from ..config import ConfigError


class Rows(list):
    """Rows of a result, each a dict of the run's fields and of what it measured.

    A field may lie inside another: "samples.heun.accuracy" is
    row["samples"]["heun"]["accuracy"].
    """

    def select(self, **fields) -> Self:
        """The rows in which every field has the given value. Raises ConfigError where
        none is left.
        """
        wanted = {key: _plain(value) for key, value in fields.items()}
        found = Rows(
            row
            for row in self
            if all(_plain(read(row, key)) == value for key, value in wanted.items())
        )
        if not found:
            said = ", ".join(f"{key}={value!r}" for key, value in fields.items())
            there = "; ".join(
                f"{key} is one of {', '.join(map(repr, self.distinct(key)))}"
                for key in fields
            )
            raise ConfigError(f"no row has {said}; {there}")
        return found

    def sorted_by(self, field: str) -> Self:
        """The rows in the order of a field."""
        return Rows(sorted(self, key=lambda row: read(row, field)))

    def column(self, field: str) -> Tensor:
        """The values of a field, (rows, ...): one per row, in order; NaN where nothing
        was measured.
        """
        values = [read(row, field) for row in self]
        return torch.tensor([math.nan if value is None else value for value in values])

    def distinct(self, field: str) -> list:
        """The distinct values of a field, in order of appearance."""
        values = []
        for row in self:
            if (value := read(row, field)) not in values:
                values.append(value)
        return values

    def over(self, field: str, column: str) -> tuple[list, Tensor]:
        """The sorted values of `field` (V,), and for each the values of `column` in its
        rows (V, runs): a curve with one value per seed.
        """
        values = sorted(self.distinct(field))
        return values, torch.stack(
            [self.select(**{field: value}).column(column) for value in values]
        )


def read(row: dict, field: str):
    """A field of a row, or of a dict inside it. Raises ConfigError if it is missing."""
    value = row
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            names = ", ".join(map(str, value)) if isinstance(value, dict) else "no name"
            raise ConfigError(f"field {field!r}: {part!r} is not among {names}")
        value = value[part]
    return value


def _plain(value):
    """Values as JSON keeps them: a pair is a list there."""
    return list(value) if isinstance(value, tuple) else value
