"""The averaged weights of a model that is spread over devices: each averages its own
part.
"""

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ..training.ema import rising
from ..wrappers import parameters


def local(tensor: Tensor) -> Tensor:
    """This device's part of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Average:
    """An exponential moving average of a device's parameters, under their names in the
    whole model; like `training.ema.EMA`, which has a model of its own.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.current = {name: p.detach() for name, p in parameters(model)}
        self.averaged = {name: p.clone() for name, p in self.current.items()}
        self._pairs = (
            [local(p) for p in self.averaged.values()],
            [local(p) for p in self.current.values()],
        )

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights."""
        averaged, current = self._pairs
        torch._foreach_lerp_(averaged, current, 1 - rising(self.decay, self.updates))
        self.updates += 1

    def state_dict(self) -> dict[str, Tensor | int]:
        return self.averaged | {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """The tensors were loaded in place."""
        self.updates = state["updates"]
