"""Scores with everything that determines their meaning, and a table of scores that may
be compared.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

from ..scores.intervals import Interval

WIDTH = 100  # columns of a table: a terminal next to an editor


class MixedScoresError(ValueError):
    """Rows that cannot be compared: another extractor, reference or resolution."""


@dataclass(frozen=True)
class Scores:
    """One row: the scores of a set of images and how the set was made. None where a
    field has no meaning, as for real images.

    row: the row's name. values: Intervals by score name. reference, reference_count:
    what it was compared with, and how many images. extractor, image_size: the network
    used, and the resolution. samples: how many images; lost: how many more contained
    NaN and were left out. guidance, guidance_interval: the weight, and the range of t
    in which it acted (None: always). sampler, steps, network_calls (per image). ema:
    length of the average of the weights, in words. seeds: of the samples. images_seen:
    in training. note: a caveat.
    """

    row: str
    values: dict[str, Interval]
    reference: str
    reference_count: int
    extractor: str
    image_size: int
    samples: int
    lost: int = 0
    guidance: float | None = None
    guidance_interval: tuple[float, float] | None = None
    sampler: str | None = None
    steps: int | None = None
    network_calls: int | None = None
    ema: str | None = None
    seeds: tuple[int, ...] = ()
    images_seen: int | None = None
    note: str = ""

    def to_dict(self) -> dict:
        """All fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> Self:
        """The row that `to_dict` wrote."""
        pair = fields.get("guidance_interval")
        values = {name: Interval(**value) for name, value in fields["values"].items()}
        return cls(
            **fields
            | {
                "values": values,
                "seeds": tuple(fields["seeds"]),
                "guidance_interval": pair and tuple(pair),
            }
        )


@dataclass(frozen=True)
class ScoreTable:
    """Rows that may be compared; printing it prints every field. Raises
    MixedScoresError for rows of another extractor, reference or resolution.
    """

    rows: Sequence[Scores]

    def __post_init__(self):
        if not self.rows:
            raise MixedScoresError("rows are empty; a table needs at least one Scores")
        first = self.rows[0]
        for row in self.rows[1:]:
            for field in ("extractor", "reference", "image_size"):
                if (mine := getattr(first, field)) != (theirs := getattr(row, field)):
                    raise MixedScoresError(
                        f"row {row.row!r} has {field}={theirs!r}, row "
                        f"{first.row!r} has {mine!r}; their scores cannot be "
                        "compared: make two tables"
                    )

    def __str__(self) -> str:
        first = self.rows[0]
        heading = (
            f"Reference {first.reference} at "
            f"{first.image_size}x{first.image_size}, features of {first.extractor}."
        )
        names = list(dict.fromkeys(name for row in self.rows for name in row.values))
        levels = sorted(
            {value.level for row in self.rows for value in row.values.values()}
        )
        scores = [["", "samples", "against", *names]]
        scores += [
            [
                r.row,
                f"{r.samples:,}",
                f"{r.reference_count:,}",
                *(_shown(r.values.get(name)) for name in names),
            ]
            for r in self.rows
        ]
        made = [
            [
                "made by",
                "guidance",
                "for t in",
                "sampler",
                "steps",
                "calls",
                "EMA",
                "images seen",
                "seeds",
            ]
        ]
        made += [[_shown(value) for value in _making(row)] for row in self.rows]
        return "\n".join(
            [
                heading,
                "",
                *_tables(scores),
                "",
                *_tables(made),
                "",
                *self._notes(levels),
            ]
        )

    def _notes(self, levels: list[float]) -> list[str]:
        notes = (
            [
                "In brackets: "
                f"{' and '.join(f'{level:.0%}' for level in levels)} intervals "
                "over samples, at the count given."
            ]
            if levels
            else []
        )
        notes += [
            (
                f"{r.row}: {r.lost:,} of {r.samples + r.lost:,} samples contained NaN "
                "or infinity and were left out."
            )
            for r in self.rows
            if r.lost
        ]
        if len({(r.samples, r.reference_count) for r in self.rows}) > 1:
            notes.append(
                "Counts differ: the Fréchet distance falls and neighbourhood scores "
                "change with the number of images alone."
            )
        return notes + list(dict.fromkeys(r.note for r in self.rows if r.note))


def _making(r: Scores) -> list:
    always = "all" if r.guidance is not None else None
    between = (
        "{:g}-{:g}".format(*r.guidance_interval) if r.guidance_interval else always
    )
    seen = None if r.images_seen is None else f"{r.images_seen:,}"
    return [
        r.row,
        r.guidance,
        between,
        r.sampler,
        r.steps,
        r.network_calls,
        r.ema,
        seen,
        ", ".join(map(str, r.seeds)) or None,
    ]


def _shown(value: object) -> str:
    return (
        "-"
        if value is None
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _tables(rows: list[list[str]]) -> list[str]:
    """One table, or several stacked tables that repeat the first column, so that no
    line is wider than WIDTH.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines, taken = [], 1
    while taken < len(widths):
        room, first = WIDTH - widths[0], taken
        while taken < len(widths) and (room := room - 2 - widths[taken]) >= 0:
            taken += 1
        taken = max(taken, first + 1)  # a column that is too wide stands alone
        lines += ["", *_aligned([[row[0], *row[first:taken]] for row in rows])]
    return lines[1:]


def _aligned(rows: list[list[str]]) -> list[str]:
    """Columns of equal width, the first left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return ["  ".join(line).rstrip() for line in lines]
