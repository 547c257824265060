"""The token-by-token half of a block: two forms of the perceptron."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig


class GELU(nn.Sequential):
    """Two layers with a GELU (tanh form) between them: (B, N, D) -> (B, N, D). The
    DiT paper's.
    """

    def __init__(self, config: DiTConfig):
        super().__init__(
            nn.Linear(config.width, config.hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.hidden, config.width),
        )


class SwiGLU(nn.Module):
    """One half of the hidden units opens or closes the other: (B, N, D) -> (B, N, D).
    Source: 2002.05202 eq. 6, with biases.

    Three matrices instead of two; DiTConfig.hidden is two thirds as wide, so that the
    parameters are about as many.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.enter = nn.Linear(config.width, 2 * config.hidden)
        self.leave = nn.Linear(config.hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.enter(x).chunk(2, dim=-1)  # each (B, N, hidden)
        return self.leave(F.silu(gate) * value)


MLPS = {"gelu": GELU, "swiglu": SwiGLU}
