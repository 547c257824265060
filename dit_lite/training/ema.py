"""The averaged weights that every sample is drawn with."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """An exponential moving average of a model's weights, updated in one fused pass.

    The decay warms up as min(decay, (1+s)/(10+s)) after s updates, so that the first random weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.updates = decay, 0
        self._pairs = list(self.model.parameters()), list(model.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged, current = self._pairs
        torch._foreach_lerp_(averaged, current, 1 - decay)
        self.updates += 1
