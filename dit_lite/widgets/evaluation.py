"""The evaluation explorer: one score against another along a knob, which setting
each score would choose, and samples made there.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import (
    as_array,
    check_axes,
    check_mapping,
    check_option,
    check_pixels,
    check_start,
    check_text,
)
from .explorer import explorer

BETTER = ("higher", "lower")


def evaluation_explorer(
    axes: Mapping[str, Sequence], scores: Mapping[str, Sequence], better: Mapping[str,
    str], real: Mapping[str, Sequence] | None = None,
    samples=None, *, x: str, y: str, by: str | None = None,
    start: Mapping | None = None,
):  # fmt: skip
    """Trade scores off against each other along a knob such as the guidance weight, and
    let one of them choose the setting.

    axes {name: values}: the first is the knob, with 2 to 12 values, along which a curve
    runs; further axes choose among curves. scores {name: array (*axes, 3)} are 2 to 12
    scores, each a value with the low and high end of its interval, NaN in all three
    where it was not measured. better {score: "higher" or "lower"} says which way is
    better; real {score: (value, low, high)} are the scores of real images against real
    ones; some may be missing. samples uint8 (*axes, n, H, W) or (*axes, n, H, W, 3) are
    n images made at each setting (`to_pixels` makes them), ideally from the same seeds
    and labels everywhere. `x` and `y` are the scores plotted first; score `by`
    (default: y) chooses the first setting, or start {axis: value} does. Raises
    ValueError or TypeError, naming the argument, before anything is drawn.
    """
    choices = check_axes(axes)
    if not choices or not 2 <= len(choices[0][1]) <= 12:
        raise ValueError(
            f"axes = {dict(choices)}; expected a knob first, with 2 to 12 values"
        )
    lead = tuple(len(values) for _, values in choices)
    names, table = _scores(scores, lead)
    lower = _directions(better, names)
    index, knob = check_start(choices, start or {}), choices[0][0]
    if by is not None and knob in (start or {}):
        raise ValueError(
            f"by={by!r} and start[{knob!r}] both choose the first setting; give "
            "one of them"
        )
    chosen = [
        check_option(key, name, names)
        for key, name in (("x", x), ("y", y), ("by", y if by is None else by))
    ]
    if x == y:
        raise ValueError(f"x and y are both {x!r}; expected two scores to trade off")
    by_hand = knob in (start or {})
    if not by_hand:
        values = table[(chosen[2], slice(None), *index[1:], 0)]
        index[0] = int(
            np.nanargmin(values) if lower[chosen[2]] else np.nanargmax(values)
        )
    images = (
        np.zeros((*lead, 0, 1, 1), np.uint8)
        if samples is None
        else check_pixels("samples", samples, lead, "n")
    )
    columns = _columns(images.shape[len(lead)])
    return explorer(
        "evaluation", label="Explorer: one score against another, and the setting "
            "that each score would choose",
        height=_height(choices, len(names), images.shape[len(lead) :], columns),
        axes=[{"name": name, "values": values} for name, values in choices],
        names=names, lower=lower, scores=table, real=_real(real or {}, names),
        samples=images, columns=list(columns), index=index,
        x=chosen[0], y=chosen[1], by=-1 if by_hand else chosen[2],
    )  # fmt: skip


def _scores(
    scores: Mapping[str, Sequence], lead: tuple[int, ...]
) -> tuple[list[str], np.ndarray]:
    """The names, and float32 (scores, *axes, 3)."""
    check_mapping("scores", scores, " {name: array}")
    if not 2 <= len(scores) <= 12:
        raise ValueError(f"scores has {len(scores)} entries; expected 2 to 12")
    table = []
    for name, values in scores.items():
        label = f"scores[{check_text('the name of a score', name, inline=False)!r}]"
        array = as_array(label, values)
        if array.shape != (*lead, 3):
            raise ValueError(
                f"{label} has shape {array.shape}; expected {(*lead, 3)}, the "
                "axes and then value, low and high"
            )
        array = _intervals(label, array)
        if np.isnan(array[..., 0]).all(axis=0).any():
            raise ValueError(
                f"{label} was measured at no value of the knob; leave it out"
            )
        table.append(array)
    return list(scores), np.stack(table)


def _intervals(label: str, array: np.ndarray) -> np.ndarray:
    """float32, after checking that every last axis holds value, low, high with low <=
    value <= high, or three NaN.
    """
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{label} has dtype {array.dtype}; expected numbers")
    array = array.astype(np.float32)
    value, low, high = np.moveaxis(array, -1, 0)
    right = np.isnan(array).all(-1) | (
        np.isfinite(array).all(-1) & (low <= value) & (value <= high)
    )
    if not right.all():
        place = np.argwhere(~right)[0].tolist()
        raise ValueError(
            f"{label} is {array[tuple(place)].tolist()} at {place}; expected "
            "value, low and high with low <= value <= high, or NaN in all three"
        )
    return array


def _directions(better: Mapping[str, str], names: list[str]) -> list[bool]:
    """For each score, whether lower is better."""
    check_mapping("better", better, " {score: 'higher' or 'lower'}")
    if set(better) != set(names):
        raise ValueError(
            f"better has the scores {', '.join(map(str, better)) or 'none'}; "
            f"expected those of scores: {', '.join(names)}"
        )
    for name in names:
        check_option(f"better[{name!r}]", better[name], BETTER)
    return [better[name] == "lower" for name in names]


def _real(real: Mapping[str, Sequence], names: list[str]) -> np.ndarray:
    """float32 (scores, 3), NaN for a score that real leaves out."""
    check_mapping("real", real, " {score: (value, low, high)}")
    rows = np.full((len(names), 3), np.nan, np.float32)
    for name, values in real.items():
        label = f"real[{name!r}]"
        row = as_array(label, values)
        if row.shape != (3,):
            raise ValueError(
                f"{label} has shape {row.shape}; expected (3,): value, low and high"
            )
        rows[check_option("a score of real", name, names)] = _intervals(label, row)
    return rows


def _columns(count: int) -> tuple[int, int]:
    """Columns of the samples on a wide page and on a phone, with full rows if a nearby
    number gives them.
    """

    def near(about: int) -> int:
        return next(
            (
                about + more
                for more in (0, 1, -1, 2, -2)
                if about + more > 0 and count % (about + more) == 0
            ),
            about,
        )

    return near(math.ceil(math.sqrt(count))), near(8)


def _height(
    choices: list[tuple[str, list[str]]],
    scores: int,
    shape: tuple[int, ...],
    columns: tuple[int, int],
) -> tuple[str, str]:
    """Room for the controls, the plot, the samples and a row for each score, on pages
    700 and 350 pixels wide.
    """
    count, ratio = shape[0], shape[1] / shape[2]
    more = 52 * (len(choices) - 1)
    wide = (
        max(360, 110 + 232 * ratio * math.ceil(count / columns[0]) / columns[0])
        if count
        else 450
    )
    pictures = (
        f" + {90 * ratio * math.ceil(count / columns[1]) / columns[1]:.0f}cqi"
        if count
        else ""
    )
    return (
        f"{wide + 268 + 44 * scores + more:.0f}px",
        f"{(860 if count else 825) + 48 * scores + more}px{pictures}",
    )
