"""Does one quantity follow another: how steeply, beyond what a third one explains, and
with what shape?
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..config.arguments import checked


@checked
def slope(x: Tensor, y: Tensor) -> float:
    """The least-squares slope of y (n,) over x (n,), in units of y per unit of x; 0
    when all x are equal.
    """
    x, y = x.double() - x.double().mean(), y.double()
    return ((x * y).sum() / x.square().sum().clamp(min=1e-300)).item()


@checked
def rank_correlation(x: Tensor, y: Tensor, given: Tensor | None = None) -> float:
    """Spearman's correlation of x (n,) and y (n,), or what is left of it when the ranks
    of `given` (n,) have explained what they can.

    The partial correlation is between the residuals of both ranks regressed on the
    ranks of `given`. 0 where nothing is left to correlate.
    """
    shapes = [tuple(v.shape) for v in (x, y, given) if v is not None]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(
            f"x, y and given have shapes {shapes}; pass one number each for n points"
        )
    x, y = ranks(x), ranks(y)
    if given is not None:
        z = ranks(given)
        x, y = x - slope(z, x) * z, y - slope(z, y) * z
    size = (x.norm() * y.norm()).item()
    return (x @ y).item() / size if size > 1e-9 * len(x) else 0.0


def ranks(x: Tensor) -> Tensor:
    """The ranks of x (n,), counted from the middle; ties share a rank. Float64."""
    before, after = (x[None] < x[:, None]).sum(1), (x[None] > x[:, None]).sum(1)
    return (before - after).double() / 2


#: Curves with two parameters, y = shape(a + b log x): hard to tell apart over only a
#: few sizes. "power law" is for the error, 1 - y = c x^-b.
SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "power law": lambda z: 1 - (-z).exp(),
    "linear in log": lambda z: z,
}


class Fit(NamedTuple):
    """y = SHAPES[shape](a + b log x), the root mean squared residual, and Akaike's
    criterion for small samples, lower is better.
    """

    shape: str
    a: float
    b: float
    residual: float
    aic: float


def fit_shape(shape: str, x: Tensor, y: Tensor) -> Fit:
    """Least squares of y (n,) in (0, 1) over x (n,) > 0 under one of `SHAPES`, by
    Gauss-Newton steps that are halved until they help.

    aic = n log(residual^2) + 2k + 2k(k+1)/(n-k-1) with k = 3, since the spread is one
    of the parameters. Raises ValueError for fewer than 5 points. Source: Burnham and
    Anderson 2002, sec. 2.4.
    """
    n, k = len(x), 3
    if n < k + 2:
        raise ValueError(
            f"n={n} points cannot distinguish shapes with {k} parameters; use at least "
            f"{k + 2}"
        )
    # (n, 2)
    design = torch.stack([torch.ones(n, dtype=torch.float64), x.double().log()], 1)
    y, curve = y.double(), SHAPES[shape]
    best = torch.tensor([0.5, 0.1], dtype=torch.float64)

    def squares(p: Tensor) -> float:
        return (curve(design @ p) - y).square().mean().item()

    for _ in range(200):
        z = (design @ best).requires_grad_()
        value = curve(z)
        # each value depends on its own z alone
        (change,) = torch.autograd.grad(value.sum(), z)
        step = torch.linalg.lstsq(
            change[:, None] * design, (y - value.detach())[:, None]
        ).solution[:, 0]
        while squares(best + step) > squares(best) and step.norm() > 1e-12:
            step = step / 2
        if step.norm() <= 1e-12:
            break
        best = best + step
    residual = max(squares(best), 1e-300) ** 0.5
    return Fit(
        shape,
        *best.tolist(),
        residual,
        2 * n * math.log(residual) + 2 * k + 2 * k * (k + 1) / (n - k - 1),
    )
