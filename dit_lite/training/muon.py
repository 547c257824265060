"""Muon: momentum whose matrices are made orthogonal before they are applied (Jordan
et al. 2024, kellerjordan.github.io/posts/muon).
"""

from collections import defaultdict

import torch
from torch import Tensor

#: Coefficients of the quintic a X + b (X X^T) X + c (X X^T)^2 X that drives singular
#: values towards 1 (same source).
A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5


def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest matrices whose singular values are about 1 (0.7 to 1.2): (n, rows,
    columns) -> the same shape, by a Newton-Schulz iteration. Autocast sets its type.
    """
    x = matrices
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    # no singular value is above 1 now
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(square, square, square, beta=B, alpha=C), x, beta=A
        )
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, for matrices inside the network; matrices of
    one shape are processed together.

    An update has the root mean square of a typical AdamW step, 0.2, so that both can
    share one learning rate (2502.16982 sec. 2.2). Weight decay is decoupled. Raises
    ValueError for a parameter that is not a matrix.
    """

    def __init__(
        self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ):
        super().__init__(
            params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        )
        if wrong := [
            tuple(p.shape)
            for group in self.param_groups
            for p in group["params"]
            if p.ndim != 2
        ]:
            raise ValueError(
                f"Muon takes matrices; a parameter of shape {wrong[0]} belongs to AdamW"
            )

    @torch.no_grad()
    def step(self) -> None:
        """Apply the gradients that are there."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[p.shape].append(p)
            for shape, params in by_shape.items():
                gradients = [p.grad for p in params]
                for p in params:
                    if "momentum" not in self.state[p]:
                        self.state[p]["momentum"] = torch.zeros_like(p)
                buffers = [self.state[p]["momentum"] for p in params]
                torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, buffers, group["momentum"])
                updates = orthogonalise(torch.stack(ahead)).unbind()
                torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(
                    params, updates, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5
                )
