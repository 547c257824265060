"""Training of networks with one or two layers, with which chapters show one effect."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def minimise(
    weights: Iterable[Tensor], loss: Callable[[], Tensor], rate: float, steps: int
) -> None:
    """Minimise `loss()` over `weights`, in place, by Adam whose learning rate falls
    linearly from `rate` towards 0 (1412.6980).

    `loss` is called once per step, so it may draw a new batch each time.
    """
    optimiser = torch.optim.Adam(weights)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
