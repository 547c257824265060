"""Time and class as vectors: the two things a denoiser is told besides the image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import DiTConfig

TIME_SCALE = 1000.0  # t in [0,1] is the paper's step t * 1000
FREQUENCIES = 128


class Condition(NamedTuple):
    """What the blocks are told: `tokens` (B, 2, D), time then class; their sum
    `vector` (B, D); what is computed once for all blocks.
    """

    tokens: Tensor
    vector: Tensor
    shared: tuple[Tensor, ...] = ()


def time_features(t: Tensor, frequencies: int = FREQUENCIES) -> Tensor:
    """Cosines, then sines, of 1000 t at frequencies 10000^(-j/128): t (B,) in [0,1]
    -> (B, 256). Source: 2006.11239 app. B; 2212.09748.
    """
    j = torch.arange(frequencies, dtype=torch.float32, device=t.device)
    angle = (
        TIME_SCALE * t.float()[:, None] * torch.exp(-math.log(10_000) * j / frequencies)
    )
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
    """Time and label to a Condition: t (B,), y (B,) int64. The label table has K
    rows, and one more for 'no class' (2207.12598).
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.time = TimeEmbedding(config.width)
        self.label = nn.Embedding(config.num_classes + config.null_class, config.width)

    def forward(self, t: Tensor, y: Tensor) -> Condition:
        tokens = torch.stack([self.time(t), self.label(y)], dim=1)
        return Condition(tokens, tokens.sum(1))
