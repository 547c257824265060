"""Time and condition as vectors: what a denoiser gets besides the image."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig
from .conditions import CONDITIONS
from .context import Context

TIME_SCALE = 1000.0  # t in [0,1] is the paper's step t * 1000
FREQUENCIES = 128


def time_features(t: Tensor) -> Tensor:
    """Cosines, then sines, of 1000 t at frequencies 10000^(-j/128): t (B,) in [0,1]
    -> (B, 256). Source: 2006.11239 app. B; 2212.09748.
    """
    j = torch.arange(FREQUENCIES, dtype=torch.float32, device=t.device)
    frequency = torch.exp(-math.log(10_000) * j / FREQUENCIES)  # (128,)
    angle = TIME_SCALE * t.float()[:, None] * frequency  # (B, 128)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class TimeEmbedding(nn.Sequential):
    """t (B,) in [0,1] -> (B, D): sinusoids through a two-layer SiLU perceptron."""

    def __init__(self, width: int):
        super().__init__(
            nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, t: Tensor) -> Tensor:
        return super().forward(time_features(t).to(self[0].weight.dtype))


class ConditionEmbedding(nn.Module):
    """Time t (B,) and condition y to the vector and the tokens of a Context.

    The condition's module has the name of its kind: `label`, `caption`, `features`.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.time = TimeEmbedding(config.width)
        self.kind = config.condition
        self.add_module(self.kind, CONDITIONS[self.kind](config))

    def initialise(self) -> None:
        """N(0, 0.02) for the tables and for both layers of the time's perceptron
        (released DiT code).
        """
        getattr(self, self.kind).initialise()
        for layer in (self.time[0], self.time[2]):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, t: Tensor, y: Tensor) -> Context:
        time = self.time(t)  # (B, D)
        y = getattr(self, self.kind)(y)  # vector (B, D), tokens (B, M, D)
        mask = y.mask if y.mask is None else F.pad(y.mask, (1, 0), value=True)
        tokens = torch.cat([time[:, None], y.tokens], dim=1)  # (B, 1 + M, D)
        return Context(time + y.vector, tokens, mask, pooled=y.vector)
