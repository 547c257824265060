"""What every block has, however it is conditioned: attention, an MLP, and two
normalisations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .attention import ATTENTION
from .embedding import Condition
from .mlp import MLPS


def layer_norm(width: int, affine: bool) -> nn.LayerNorm:
    """LayerNorm with the paper's eps; without `affine` its gain and bias come from
    the condition.
    """
    return nn.LayerNorm(width, eps=1e-6, elementwise_affine=affine)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x * (1 + scale) + shift, the same for every token: x (B, N, D), shift and
    scale (B, 1, D). Source: FiLM 1709.07871 eq. 2.
    """
    return torch.addcmul(shift, x, 1 + scale)


def gated(x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
    """x + gate * branch, the residual sum of adaLN-Zero: x and branch (B, N, D),
    gate (B, 1, D). Source: 2212.09748 sec. 3.2.
    """
    return torch.addcmul(x, gate, branch)


class Modulation(nn.Sequential):
    """n vectors of width D from the condition, c (B, D) -> n tensors (B, 1, D). All
    zero before training.
    """

    def __init__(self, width: int, n: int):
        super().__init__(nn.SiLU(), nn.Linear(width, n * width))
        self.n = n

    def forward(self, c: Tensor) -> tuple[Tensor, ...]:
        return super().forward(c)[:, None].chunk(self.n, dim=-1)

    def zero(self) -> None:
        """Make every vector zero, whatever the condition."""
        nn.init.zeros_(self[1].weight)
        nn.init.zeros_(self[1].bias)


class Block(nn.Module):
    """A pre-norm Transformer block that ignores its condition; the conditionings of
    conditioning.py say where it enters.
    """

    affine = True  # do the normalisations own their gain and bias?

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.norm1 = layer_norm(config.width, self.affine)
        self.attention = ATTENTION[config.attention](config)
        self.norm2 = layer_norm(config.width, self.affine)
        self.mlp = MLPS[config.mlp](config)

    def forward(
        self,
        x: Tensor,
        condition: Condition,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        x = x + self.attention(self.norm1(x), rotation)
        return x + self.mlp(self.norm2(x))

    @staticmethod
    def shared(config: DiTConfig) -> nn.Module | None:
        """What all blocks of a model have in common: a module from the condition
        vector (B, D) to `Condition.shared`, or None.
        """
        return None

    @staticmethod
    def enter(x: Tensor, condition: Condition) -> Tensor:
        """Tokens before the first block."""
        return x

    @staticmethod
    def leave(x: Tensor) -> Tensor:
        """Image tokens after the last block."""
        return x
