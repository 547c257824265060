"""Hoffmann et al.'s second approach: at each compute budget a parabola through the loss
over log Psi; its vertices show how the best size grows with compute.

A parabola is exact only for a valley that is symmetric in log Psi. The valley of L = E
+ A Psi^-alpha + B n^-beta at fixed Psi n is not, unless alpha = beta; otherwise, and
where the grid is off the valley's centre, the vertex is biased towards the flatter
side. `parabola_bias` says by how much for a known law.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from .law import Curve, Range, _ends
from .points import ScalingError, ScalingWarning, check_points, positive
from .resample import POWER, true_size

#: A vertex this far from the middle of its sizes, in halves of their range, is off
#: centre.
OFF_CENTRE = 0.5
#: A cubic's minimum may differ from the parabola's by this much in log Psi.
SKEW = 0.1


@dataclass(frozen=True)
class IsoFLOP:
    """The best size at each budget: `compute` (k,), `parameters` (k,) and `loss` (k,)
    of the vertices, and Psi = `factor` C^`exponent` through them. `draws` (r,) are
    exponents from resampled losses.
    """

    compute: np.ndarray
    parameters: np.ndarray
    loss: np.ndarray
    factor: float
    exponent: float
    draws: np.ndarray

    def interval(self, level: float = 0.9) -> Range:
        """The bootstrap interval of the exponent."""
        return Range(*map(float, np.quantile(self.draws, _ends(level))))


def isoflop(compute, parameters, loss, *, draws: int = 400, seed: int = 0) -> IsoFLOP:
    """Fit a parabola per budget, and a power law through the vertices (2203.15556 sec.
    3.2): compute (m,) is each run's budget in FLOPs.

    Raises ScalingError for fewer than two budgets, fewer than four sizes in one (three
    determine a parabola and say nothing about its error), and a valley that is upside
    down. Warns (ScalingWarning) where the known bias of parabolas shows: a vertex off
    the centre of its sizes or beyond them, or a cubic with its minimum elsewhere, as
    with unequal exponents.
    """
    points = check_points(parameters, None, loss)
    compute = positive("compute", compute)
    if len(compute) != len(points):
        raise ScalingError(
            f"compute has {len(compute)} values for {len(points)} losses; give one for "
            "each point"
        )
    budgets = np.unique(compute)
    if len(budgets) < 2:
        raise ScalingError(
            f"compute holds {len(budgets)} budget; a power law needs at least two"
        )
    rng = np.random.default_rng(seed)
    found = [
        _valley(c, np.log(points.parameters[here]), points.loss[here], draws, rng)
        for c, here in ((c, compute == c) for c in budgets)
    ]
    vertices = np.array([v for v, _, _ in found])
    scattered = np.stack([d for _, _, d in found], 1)  # (r, k)
    slope, offset = np.polyfit(np.log(budgets), vertices, 1)
    x = np.log(budgets) - np.log(budgets).mean()
    slopes = (scattered - scattered.mean(1, keepdims=True)) @ x / (x @ x)
    return IsoFLOP(
        budgets,
        np.exp(vertices),
        np.array([value for _, value, _ in found]),
        float(np.exp(offset)),
        float(slope),
        slopes[np.isfinite(slopes)],
    )


def _valley(
    budget: float, x: np.ndarray, loss: np.ndarray, draws: int, rng
) -> tuple[float, float, np.ndarray]:
    """Vertex in log Psi, loss there, and vertices (r,) from resampled losses."""
    if len(np.unique(x)) < 4:
        raise ScalingError(
            f"budget {budget:g} has {len(np.unique(x))} sizes; a parabola with an "
            "error needs at least 4"
        )
    centre, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    u = (x - centre) / half
    basis = np.stack([np.ones_like(u), u, u**2], 1)
    c = np.linalg.lstsq(basis, loss, rcond=None)[0]
    if c[2] <= 0:
        raise ScalingError(
            f"budget {budget:g}: the loss curves downwards over the sizes, so there is "
            "no best one; widen the range of sizes"
        )
    vertex = -c[1] / (2 * c[2])
    _warn(budget, u, loss, vertex, half)
    errors = true_size(loss - basis @ c, basis, np.arange(len(x)), POWER)
    signs = rng.choice([-1.0, 1.0], (draws, len(x)))
    refits = np.linalg.lstsq(basis, (basis @ c + signs * errors).T, rcond=None)[0]
    # a resampled valley without a minimum has no vertex
    bent = np.where(refits[2] > 0, refits[2], np.nan)
    vertices = centre + half * -refits[1] / (2 * bent)
    return centre + half * vertex, c[0] + c[1] * vertex / 2, vertices


def _warn(budget: float, u: np.ndarray, loss: np.ndarray, vertex, half) -> None:
    if abs(vertex) > OFF_CENTRE:
        place = "beyond" if abs(vertex) > 1 else "off the centre of"
        warnings.warn(
            f"budget {budget:g}: the best size lies {place} the trained sizes; "
            "parabolas are biased there: add sizes on the "
            f"{'larger' if vertex > 0 else 'smaller'} side",
            ScalingWarning,
            stacklevel=4,
        )
    if len(np.unique(u)) < 5:
        return
    cubic = np.polynomial.Polynomial.fit(u, loss, 3)
    turns = cubic.deriv().roots()
    turns = turns[np.isreal(turns)].real
    minima = turns[cubic.deriv(2)(turns) > 0]
    shift = half * np.abs(minima - vertex).min() if len(minima) else np.inf
    if shift > SKEW:
        warnings.warn(
            f"budget {budget:g}: the valley is asymmetric, and a cubic has its "
            f"minimum {np.exp(min(shift, 9)) - 1:.0%} away; unequal exponents cause "
            "this and bias a parabola: compare with fit_scaling_law",
            ScalingWarning,
            stacklevel=4,
        )


def parabola_bias(
    law: Curve, compute: float, parameters, per_parameter: float = 6.0
) -> float:
    """How far a parabola misses the best size of a known law, without any noise: the
    log of its vertex over the true optimum, for models of `parameters` (m,) trained
    with `compute` FLOPs each.
    """
    psi = positive("parameters", parameters)
    loss = law.predict(psi, compute / per_parameter / psi)
    x = np.log(psi) - np.log(psi).mean()
    c2, c1, _ = np.polyfit(x, loss, 2)
    vertex = -c1 / (2 * c2) + np.log(psi).mean()
    return float(vertex - np.log(law.optimum(compute, per_parameter).parameters))
