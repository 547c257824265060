"""Fitting L = E + A Psi^-alpha + B n^-beta to many data sets at once: a robust loss on
logarithms, from a grid of starts.

The objective is Hoffmann et al.'s (2203.15556 eq. 3): the Huber loss of log L minus the
law's logarithm. They minimise it by L-BFGS; here Levenberg-Marquardt steps on
reweighted residuals find the same minimum, for hundreds of resampled data sets side by
side, which is what makes bootstrap intervals cheap.
"""

from typing import NamedTuple, Self

import numpy as np

#: The residual of log L beyond which errors no longer count as squares (2203.15556 sec.
#: 3.3).
HUBER = 1e-3
#: Exponents tried as starting points, and the range that they are kept in.
STARTS = np.geomspace(0.04, 1.6, 13)
EXPONENTS = (0.005, 4.0)
DEEPEST = 18.0  # the floor is at least exp(-18) of the smallest loss: 0 for all uses
ITERATIONS = 300


class Design(NamedTuple):
    """Where losses were measured, centred so that exponents and factors can be
    separated: x = log Psi - `x0` and z = log n - `z0`, each (m,); z is None where n
    does not vary.
    """

    x: np.ndarray
    z: np.ndarray | None
    x0: float
    z0: float
    floor: bool

    @classmethod
    def of(cls, parameters, images, floor: bool) -> Self:
        x = np.log(parameters)
        z = None if images is None else np.log(images)
        z0 = 0.0 if z is None else z.mean()
        return cls(x - x.mean(), None if z is None else z - z0, x.mean(), z0, floor)

    @property
    def names(self) -> tuple[str, ...]:
        """What is fitted, in the order of the columns below."""
        return (
            *(("E",) if self.floor else ()),
            *("A", "alpha"),
            *(("B", "beta") if self.z is not None else ()),
        )

    def split(self, theta: np.ndarray) -> tuple[np.ndarray | None, ...]:
        """(log E, log A', alpha, log B', beta), each (r,), of theta (r, p); A' and B'
        belong to the centred sizes.
        """
        columns = dict(zip(self.names, theta.T, strict=True))
        return tuple(columns.get(name) for name in ("E", "A", "alpha", "B", "beta"))

    def terms(self, theta: np.ndarray) -> list[np.ndarray]:
        """The terms of the law at every point, each (r, m)."""
        log_e, log_a, alpha, log_b, beta = self.split(theta)
        m = len(self.x)
        found = [] if log_e is None else [np.exp(log_e)[:, None].repeat(m, 1)]
        found.append(np.exp(log_a[:, None] - alpha[:, None] * self.x))
        if self.z is not None:
            found.append(np.exp(log_b[:, None] - beta[:, None] * self.z))
        return found

    def model(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log L (r, m) and its derivatives (r, m, p)."""
        terms = self.terms(theta)
        total = sum(terms)
        shares = iter([term / total for term in terms])
        columns = [next(shares)] if self.floor else []
        for position in (self.x, self.z):
            if position is not None:
                share = next(shares)
                columns += [share, -share * position]
        return np.log(total), np.stack(columns, -1)


def huber(residuals: np.ndarray, delta: float) -> np.ndarray:
    """The sum over points of the Huber loss: residuals (r, m) -> (r,)."""
    size = np.abs(residuals)
    if np.isinf(delta):
        return (size**2).sum(-1) / 2
    inside = np.minimum(size, delta)
    return (inside * (size - inside / 2)).sum(-1)


def starts(design: Design, loss: np.ndarray, keep: int = 12) -> np.ndarray:
    """The best of a grid of exponents, with E, A and B by projection: given alpha and
    beta the law is linear in them (Golub and Pereyra 1973). loss (m,) -> (keep, p).
    """
    grid = [STARTS] if design.z is None else [STARTS, STARTS]
    exponents = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, len(grid))
    factors, squares = project(design, loss, exponents)
    # a factor that would be negative starts near zero instead
    least = 1e-6 * loss.min()
    logs = np.log(np.maximum(factors, least))
    order = np.argsort(squares)[:keep]
    columns = {"alpha": exponents[:, 0], "beta": exponents[:, -1]}
    positive = [name for name in design.names if name not in columns]
    columns |= dict(zip(positive, logs.T, strict=True))
    return np.stack([columns[name] for name in design.names], -1)[order]


def project(
    design: Design, loss: np.ndarray, exponents: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The factors (k, 2 or 3) that fit best for each pair of exponents (k, 1 or 2), by
    least squares on relative errors, and the sums of squares (k,).
    """
    columns = [np.exp(-exponents[:, :1] * design.x)]
    if design.floor:
        columns.insert(0, np.ones_like(columns[0]))
    if design.z is not None:
        columns.append(np.exp(-exponents[:, 1:] * design.z))
    basis = np.stack(columns, -1) / loss[:, None]  # (k, m, q), relative to the loss
    gram = basis.swapaxes(-1, -2) @ basis
    ridge = 1e-12 * np.trace(gram, axis1=-2, axis2=-1)[:, None, None]
    gram = gram + ridge * np.eye(gram.shape[-1])
    factors = np.linalg.solve(gram, basis.sum(1)[..., None])[..., 0]
    errors = np.einsum("kmq,kq->km", basis, factors) - 1
    return factors, (errors**2).sum(-1)


def minimise(
    design: Design,
    log_loss: np.ndarray,
    theta: np.ndarray,
    delta: float = HUBER,
    iterations: int = ITERATIONS,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every row: log_loss (r, m) from theta (r, p) -> theta (r, p), objective (r,).

    Each step solves a damped least-squares problem in which a point counts by
    delta/|residual| where that is below 1, and is kept only if the Huber loss falls. A
    row that no longer improves stays as it is.
    """
    theta, lowest = theta.copy(), log_loss.min(-1)
    theta = bounded(design, theta, lowest)
    rows = np.arange(len(theta))
    damping = np.full(len(theta), 1e-3)
    value, slopes = design.model(theta)
    residual = log_loss - value
    objective = huber(residual, delta)
    stalled = np.zeros(len(theta), int)
    identity = np.eye(theta.shape[1])
    for _ in range(iterations):
        weight = np.minimum(1, delta / np.maximum(np.abs(residual[rows]), 1e-300))
        weighted = slopes[rows] * weight[..., None]
        gram = weighted.swapaxes(-1, -2) @ slopes[rows]
        gradient = np.einsum("rmp,rm->rp", weighted, residual[rows])
        scale = np.maximum(np.diagonal(gram, axis1=1, axis2=2), 1e-12)
        gram = gram + (damping[rows, None] * scale)[..., None] * identity
        tried = theta[rows] + np.linalg.solve(gram, gradient[..., None])[..., 0]
        tried = bounded(design, tried, lowest[rows])
        new_value, new_slopes = design.model(tried)
        new_residual = log_loss[rows] - new_value
        new_objective = huber(new_residual, delta)
        better = new_objective < objective[rows]
        gain = objective[rows] - new_objective
        small = gain < 1e-9 * objective[rows]
        stalled[rows] = np.where(better & ~small, 0, stalled[rows] + 1)
        kept = rows[better]
        theta[kept], residual[kept] = tried[better], new_residual[better]
        slopes[kept], objective[kept] = new_slopes[better], new_objective[better]
        damping[rows] = np.clip(damping[rows] * np.where(better, 0.3, 5.0), 1e-12, 1e9)
        rows = rows[stalled[rows] < 6]
        if not len(rows):
            break
    return theta, objective


def bounded(design: Design, theta: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """theta (r, p) with exponents in their range and the floor under the smallest loss
    of its row, whose logarithm is `lowest` (r,).
    """
    theta = theta.copy()
    for i, name in enumerate(design.names):
        if name in ("alpha", "beta"):
            theta[:, i] = theta[:, i].clip(*EXPONENTS)
        else:
            high = lowest if name == "E" else lowest + 40
            theta[:, i] = theta[:, i].clip(lowest - DEEPEST, high)
    return theta


def fit(design: Design, loss: np.ndarray, delta: float = HUBER) -> np.ndarray:
    """The best fit from the grid of starts: loss (m,) -> theta (p,)."""
    first = starts(design, loss)
    theta, objective = minimise(
        design, np.log(loss)[None].repeat(len(first), 0), first, delta
    )
    return theta[objective.argmin()]
