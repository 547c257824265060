"""Hoffmann et al.'s first approach: curves of loss over compute for several sizes; the
size with the lowest loss at each compute, and a power law through these.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from .points import ScalingError, ScalingWarning, check_points, positive


@dataclass(frozen=True)
class Envelope:
    """The lowest curve at each of `compute` (k,): its `parameters` and `loss`, and Psi
    = `factor` C^`exponent` through them.
    """

    compute: np.ndarray
    parameters: np.ndarray
    loss: np.ndarray
    factor: float
    exponent: float


def envelope(parameters, images, loss, *, per_parameter: float = 6.0, at: int = 100):
    """The lower envelope of runs, each the points of one size, at `at` computes evenly
    spaced in log compute (2203.15556 sec. 3.1); a run costs per_parameter Psi n.

    A curve is interpolated between its points, linearly in log loss over log compute,
    and not extrapolated. Average the seeds of each size first. Raises ScalingError
    where fewer than two sizes are ever lowest; warns (ScalingWarning) where the
    smallest or largest size is, since a size that was not trained may then be better.
    """
    points = check_points(parameters, images, loss)
    per = positive("per_parameter", [per_parameter])[0]
    work = np.log(per * points.parameters * points.images)
    sizes = np.unique(points.parameters)
    curves = [_curve(points.parameters == size, work, points.loss) for size in sizes]
    grid = np.linspace(min(c[0][0] for c in curves), max(c[0][-1] for c in curves), at)
    heights = np.stack(
        [np.interp(grid, x, y, left=np.inf, right=np.inf) for x, y in curves]
    )
    best = heights.argmin(0)
    inner = (best > 0) & (best < len(sizes) - 1)
    lowest = np.unique(best[inner] if inner.any() else best)
    if len(lowest) < 2:
        raise ScalingError(
            f"only {len(lowest)} of {len(sizes)} sizes is ever the lowest between the "
            "smallest and the largest; train longer, or more sizes"
        )
    if (edge := 1 - inner.mean()) > 0.5:
        warnings.warn(
            f"at {edge:.0%} of the computes the smallest or largest size is lowest: "
            "they are left out, since a size that was not trained may be lower",
            ScalingWarning,
            stacklevel=2,
        )
    grid, best = grid[inner], best[inner]
    slope, offset = np.polyfit(grid, np.log(sizes[best]), 1)
    return Envelope(
        np.exp(grid),
        sizes[best],
        np.exp(heights[best, np.flatnonzero(inner)]),
        float(np.exp(offset)),
        float(slope),
    )


def _curve(here, work, loss) -> tuple[np.ndarray, np.ndarray]:
    """log compute and log loss of one size, in order of compute."""
    order = np.argsort(work[here])
    return work[here][order], np.log(loss[here][order])
