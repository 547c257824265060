"""What every block has, however it is conditioned: attention, an MLP, and two
normalisations; and the vectors that a condition becomes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .attention import ATTENTION, Attention
from .context import Context
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


class Scaled(NamedTuple):
    """The vectors of a block without gates, in the order of the parts of a modulation;
    1 is the attention branch, 2 the MLP branch.
    """

    shift1: Tensor
    scale1: Tensor
    shift2: Tensor
    scale2: Tensor


class Gated(NamedTuple):
    """The vectors of a block with gates, as in `Scaled`."""

    shift1: Tensor
    scale1: Tensor
    gate1: Tensor
    shift2: Tensor
    scale2: Tensor
    gate2: Tensor


class Final(NamedTuple):
    """The vectors of the last layer, as in `Scaled`."""

    shift: Tensor
    scale: Tensor


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
    """A pre-norm Transformer block that ignores its condition; the conditionings in
    conditioning.py define where it enters.
    """

    affine = True  # whether the normalisations have their own gain and bias

    def __init__(self, config: DiTConfig, layer: int = 0):
        super().__init__()
        _, weighting = ATTENTION[config.attention_of(layer)]
        self.norm1 = layer_norm(config.width, self.affine)
        self.attention = Attention(config, weighting)
        self.norm2 = layer_norm(config.width, self.affine)
        self.mlp = MLPS[config.mlp](config)

    def initialise(self) -> None:
        """Initialise what does not start like every matrix of a DiT."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = x + self.attention(self.norm1(x), context.rotation, context.mask)
        return x + self.mlp(self.norm2(x))  # (B, N, D)

    @staticmethod
    def shared(config: DiTConfig) -> nn.Module:
        """What all blocks of a model have in common: a module from the condition
        vector (B, D) to `Context.shared`.
        """
        return Nothing()

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        """Tokens before the first block, and what the blocks get."""
        return x, context


class Nothing(nn.Module):
    """A weightless module that returns an empty tuple."""

    def forward(self, vector: Tensor) -> tuple[()]:
        return ()


class Modulated(Block):
    """A block whose condition becomes named vectors, all (B, 1, D)."""

    named: type[Scaled | Gated] = Scaled

    def __init__(self, config: DiTConfig, layer: int = 0):
        super().__init__(config, layer)
        self.modulation = Modulation(config.width, len(self.named._fields))

    def vectors(self, context: Context) -> Scaled | Gated:
        """Shift, scale and gate of the attention branch, then of the MLP branch."""
        return self.named(*self.modulation(context.vector))
