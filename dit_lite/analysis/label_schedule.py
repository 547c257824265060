"""A model whose class label depends on the time."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..model import is_null


class LabelSchedule(nn.Module):
    """`model`, given `label(t, y)` instead of y: a function of the times t (B,) and the
    labels y (B,), which returns labels (B,).

    "No class" is left alone, so that guidance works. It can replace a model in `sample`
    and `record_trajectory`.
    """

    def __init__(self, model: nn.Module, label: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.model, self.label, self.config = model, label, model.config

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        null = is_null(self.config, y).view(-1, *[1] * (y.ndim - 1))
        return self.model(x, t, torch.where(null, y, self.label(t, y)))
