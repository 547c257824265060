"""What the network predicts. The four targets are one thing in four coordinates.

Every target is p x0 + q eps for some numbers p(t), q(t). Together with x_t = a x0 + s
eps these are two linear equations in two unknowns, so any prediction determines x0 and
eps, and through them every other target.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .paths import Path, expand

#: name -> (p, q) of the target p x0 + q eps, from a, s and their derivatives
OBJECTIVES: dict[str, Callable] = {
    # 2006.11239 eq. 14
    "eps": lambda a, s, da, ds: (torch.zeros_like(a), torch.ones_like(a)),
    "x0": lambda a, s, da, ds: (torch.ones_like(a), torch.zeros_like(a)),
    "v": lambda a, s, da, ds: (-s, a),  # 2202.00512 sec. 4
    "flow": lambda a, s, da, ds: (da, ds),  # the velocity dx/dt: 2210.02747 eq. 14
}


def _coefficients(
    objective: str, path: Path, t: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a, s = path.alpha_sigma(t)
    # only "flow" needs the derivatives
    da, ds = path.derivative(t) if objective == "flow" else (a, s)
    return a, s, *OBJECTIVES[objective](a, s, da, ds)


def target(objective: str, path: Path, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """What the network should predict: x0, eps (B, C, H, W), t (B,) -> (B, C, H, W)."""
    _, _, p, q = _coefficients(objective, path, t)
    return expand(p, x0) * x0 + expand(q, x0) * eps


def to_x0_eps(
    objective: str, path: Path, prediction: Tensor, x: Tensor, t: Tensor
) -> tuple[Tensor, Tensor]:
    """The image and the noise that a prediction implies.

    prediction and x (B, C, H, W), t (B,) -> x0, eps (B, C, H, W). The determinant
    vanishes, so that there is no answer, for "eps" where a = 0 (pure noise contains no
    image) and for "x0" where s = 0 (an image contains no noise).
    """
    a, s, p, q = _coefficients(objective, path, t)
    det = a * q - s * p
    # The coefficients are divided in float64 before they meet the images.
    x0 = expand(q / det, x) * x - expand(s / det, x) * prediction
    eps = expand(a / det, x) * prediction - expand(p / det, x) * x
    return x0, eps


def convert(
    prediction: Tensor, source: str, to: str, path: Path, x: Tensor, t: Tensor
) -> Tensor:
    """A prediction of one target as a prediction of another, exactly: (B, C, H, W)
    -> (B, C, H, W).
    """
    x0, eps = to_x0_eps(source, path, prediction, x, t)
    return target(to, path, x0, eps, t)
