"""How time and class reach the blocks: one small class a mechanism, all with the interface of Block."""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import DiTConfig
from .block import Block, Modulation, gated, modulate
from .embedding import Condition


class AdaLNZero(Block):
    """The paper's block: six vectors a block, all zero at the start, so that every block begins as the identity (2212.09748 sec. 3.2)."""

    affine = False

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.modulation = Modulation(config.width, 6)

    def forward(self, x: Tensor, condition: Condition, rotation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition.vector)
        x = gated(x, gate1, self.attention(modulate(self.norm1(x), shift1, scale1), rotation))
        return gated(x, gate2, self.mlp(modulate(self.norm2(x), shift2, scale2)))


class AdaLN(Block):
    """Four vectors a block: scale and shift of both normalisations, and no gate (2212.09748 sec. 3.2)."""

    affine = False

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.modulation = Modulation(config.width, 4)

    def forward(self, x: Tensor, condition: Condition, rotation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        shift1, scale1, shift2, scale2 = self.modulation(condition.vector)
        x = x + self.attention(modulate(self.norm1(x), shift1, scale1), rotation)
        return x + self.mlp(modulate(self.norm2(x), shift2, scale2))


class Additive(Block):
    """The condition is added to every token once, before the first block."""

    @staticmethod
    def enter(x: Tensor, condition: Condition) -> Tensor:
        return x + condition.vector[:, None]


class InContext(Block):
    """Time and class are two more tokens of the sequence, dropped after the last block (2212.09748 sec. 3.2)."""

    @staticmethod
    def enter(x: Tensor, condition: Condition) -> Tensor:
        return torch.cat([condition.tokens, x], dim=1)

    @staticmethod
    def leave(x: Tensor) -> Tensor:
        return x[:, 2:]


CONDITIONING = {"adaln_zero": AdaLNZero, "adaln": AdaLN, "additive": Additive, "in_context": InContext}
