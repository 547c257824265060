"""The token-by-token half of a block: two forms of the perceptron."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig


class GELU(nn.Sequential):
    """The DiT paper's MLP: two layers with a GELU (tanh form) between them, (B, N, D)
    -> (B, N, D).
    """

    def __init__(self, config: DiTConfig):
        super().__init__(
            nn.Linear(config.width, config.hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.hidden, config.width),
        )


class SwiGLU(nn.Module):
    """One half of the hidden units gates the other: (B, N, D) -> (B, N, D).
    Source: 2002.05202 eq. 6, with biases.

    Three matrices instead of two; DiTConfig.hidden is two thirds as wide, so that there
    are about as many parameters.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.enter = nn.Linear(config.width, 2 * config.hidden)
        self.leave = nn.Linear(config.hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.enter(x).chunk(2, dim=-1)  # each (B, N, hidden)
        return self.leave(F.silu(gate) * value)


MLPS = {"gelu": GELU, "swiglu": SwiGLU}
