"""The averaged weights that every sample is drawn with."""

import copy

import torch
from torch import Tensor, nn

from ..files.pretrained import load_weights
from ..wrappers import bare, weights


def rising(decay: float, updates: int) -> float:
    """The decay of the next update: it warms up, so that the first random weights
    are soon forgotten.
    """
    return min(decay, (1 + updates) / (10 + updates))


def reach(decay: float, steps: int | None = None) -> float:
    """Over how many steps an average reaches back, 1 / (1 - decay), with the decay
    as it was in the last of `steps` updates if they are known.
    """
    return 1 / (1 - (decay if steps is None else rising(decay, steps - 1)))


class EMA:
    """An exponential moving average of a model's weights, updated in one fused pass,
    with the decay that `rising` gives. `model` is the module without its wrappers.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(bare(model)).requires_grad_(False).eval()
        self.decay, self.updates = decay, 0
        self._pairs = list(self.model.parameters()), list(model.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights."""
        decay = rising(self.decay, self.updates)
        averaged, current = self._pairs
        torch._foreach_lerp_(averaged, current, 1 - decay)
        self.updates += 1

    def state_dict(self) -> dict[str, Tensor | int]:
        return weights(self.model) | {"updates": self.updates}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        self.updates = state["updates"]
        averaged = {k: v for k, v in state.items() if k != "updates"}
        load_weights(self.model, averaged, "the averaged weights of the state")
