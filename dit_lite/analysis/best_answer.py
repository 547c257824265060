"""The best possible velocity for a finite set of images, with or without the class, and
the loss of any velocity by noise level.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..diffusion import PATHS


class ExactVelocity:
    """E[eps - x0 | x_t] on the linear path when x0 is one of `images` (n, C, H, W) in
    [-1,1]: what infinitely long training would reach.

    With `labels` (n,) x0 is one of the images of the requested class. `scale`
    multiplies the standard deviation of the noise that it assumes; any value but 1 is
    wrong. Source: 2206.00364 app. B.3.
    """

    def __init__(self, images: Tensor, labels: Tensor | None = None, scale: float = 1):
        self.images = images.double()
        self.labels, self.scale = labels, scale

    def __call__(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """The velocity (B, C, H, W) at x (B, C, H, W), times t (B,), classes y (B,)."""
        a, s = (v[:, None] for v in PATHS["linear"].alpha_sigma(t))
        images = self.images.flatten(1)
        squares = (
            x.double().flatten(1).square().sum(1, keepdim=True)
            - 2 * a * (x.double().flatten(1) @ images.T)
            + a**2 * images.square().sum(1)
        )  # |x - a x0_i|^2: (B, n)
        logits = -squares / (2 * (self.scale * s) ** 2)
        if self.labels is not None:
            logits = logits.masked_fill(y[:, None] != self.labels, -torch.inf)
        x0 = (logits.softmax(1) @ images).view_as(x).float()
        return (x - x0) / t.view(-1, 1, 1, 1)  # eps - x0, eps = (x - (1 - t) x0) / t


@torch.no_grad()
def velocity_loss(
    velocity: Callable[[Tensor, Tensor, Tensor], Tensor],
    x0: Tensor,
    y: Tensor,
    times: Sequence[float],
    seed: int = 0,
) -> Tensor:
    """Mean squared error per pixel of a velocity(x, t, y) at each of `times`, on the
    linear path: images x0 (B, C, H, W), classes y (B,), times (T,) -> (T,). Every
    velocity gets the same noise.
    """
    generator, losses = torch.Generator().manual_seed(seed), []
    for time in times:
        eps = torch.randn(x0.shape, generator=generator)
        t = torch.full((len(x0),), float(time))
        x = PATHS["linear"].mix(x0, eps, t)
        losses.append((velocity(x, t, y) - (eps - x0)).square().mean())
    return torch.stack(losses)
