"""What a scaling law is fitted to: losses at sizes and numbers of images, and checks
that they are comparable.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: Sizes within this factor of each other do not determine an exponent.
LEVERAGE = 2.0


class ScalingError(ValueError):
    """Points that no law can be fitted to; the message names them and the way out."""


class ScalingWarning(UserWarning):
    """A fit that works, and what it cannot determine."""


@dataclass(frozen=True)
class Points:
    """Losses at sizes Psi and numbers of images n, each (m,) float64; `run` (m,) says
    which points belong to one run, and so share its random errors. `images` is None
    where n plays no part.
    """

    parameters: np.ndarray
    images: np.ndarray | None
    loss: np.ndarray
    run: np.ndarray

    def __len__(self) -> int:
        return len(self.loss)


def check_points(
    parameters, images, loss, runs=None, same: Mapping[str, Sequence] | None = None
) -> Points:
    """The points as arrays of float64.

    Raises ScalingError, with the numbers of the points, for lengths that differ, for
    what is not finite and positive, for a duplicate point, and for values of `same`
    that differ: {"weighting": [one per point], "hardware": [...]}. Warns about sizes,
    or numbers of images, within a factor of 2.
    """
    for name, values in dict(parameters=parameters, loss=loss).items():
        if values is None:
            raise ScalingError(f"{name}=None; give one number for each point")
    columns = {"parameters": parameters, "images": images, "loss": loss}
    arrays = {
        name: positive(name, values)
        for name, values in columns.items()
        if values is not None
    }
    m = len(arrays["loss"])
    arrays |= {"runs": np.arange(m) if runs is None else _labels("runs", runs)}
    for name, values in (same or {}).items():
        arrays[name] = _labels(name, values)
    if wrong := {name: len(a) for name, a in arrays.items() if len(a) != m}:
        name, found = next(iter(wrong.items()))
        raise ScalingError(
            f"{name} has {found} values for {m} losses; give one for each point"
        )
    for name in same or {}:
        refuse_mixed(name, list((same or {})[name]))
    points = Points(
        arrays["parameters"], arrays.get("images"), arrays["loss"], arrays["runs"]
    )
    refuse_duplicates(points)
    for name in ("parameters", "images"):
        if name in arrays:
            warn_of_short_range(name, arrays[name])
    return points


def positive(name: str, values) -> np.ndarray:
    """Values as (m,) float64; ScalingError where one is not finite and positive."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ScalingError(f"{name} must be numbers, one for each point") from None
    if array.ndim != 1:
        raise ScalingError(
            f"{name} has shape {array.shape}; give one number for each point, (m,)"
        )
    if len(bad := np.flatnonzero(~(np.isfinite(array) & (array > 0)))):
        raise ScalingError(
            f"{name}[{bad[0]}]={array[bad[0]]:g} must be positive and finite"
            f"{others(bad)}; leave such points out: a run that diverged has no loss"
        )
    return array


def others(bad: np.ndarray) -> str:
    """The rest of a list of points, for a message."""
    more = ", ".join(map(str, bad[1:9]))
    return f", and so must points {more}" if more else ""


def _labels(name: str, values) -> np.ndarray:
    """Labels of any kind as whole numbers, equal where they are equal."""
    seen: dict = {}
    try:
        return np.array([seen.setdefault(value, len(seen)) for value in values], int)
    except TypeError:
        raise ScalingError(
            f"{name}={values!r}; give one name or number for each point"
        ) from None


def refuse_mixed(name: str, values: list) -> None:
    """ScalingError, with the list, unless all points are alike."""
    found = Counter(map(str, values))
    if len(found) > 1:
        listed = "; ".join(
            f"{value} ({count} points)" for value, count in found.items()
        )
        raise ScalingError(
            f"{name} differs between the points: {listed}. Their losses are not "
            "comparable: fit each group separately"
        )


def refuse_duplicates(points: Points) -> None:
    """ScalingError for a point that occurs twice, equal to the last digit."""
    columns = [
        a for a in (points.parameters, points.images, points.loss) if a is not None
    ]
    _, first, count = np.unique(
        np.stack(columns, 1), axis=0, return_index=True, return_counts=True
    )
    if len(twice := np.flatnonzero(count > 1)):
        rows = np.stack(columns, 1)
        where = np.flatnonzero((rows == rows[first[twice[0]]]).all(1))
        raise ScalingError(
            f"points {', '.join(map(str, where))} are the same run, "
            f"loss={points.loss[where[0]]:g}; leave out the copies (another seed gives "
            "another loss)"
        )


def warn_of_short_range(name: str, values: np.ndarray) -> None:
    """ScalingWarning where all values lie within a factor of 2."""
    if (ratio := values.max() / values.min()) < LEVERAGE:
        warnings.warn(
            f"all {name} lie within a factor of {ratio:.3g}: the exponent is a guess; "
            f"spread them over more than a factor of {LEVERAGE:g}, better 10",
            ScalingWarning,
            stacklevel=4,
        )
