"""How time and class reach the blocks: one small class a mechanism, all with the
interface of Block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .attention import CrossAttention
from .block import Block, Modulation, gated, layer_norm, modulate
from .embedding import Condition


class Additive(Block):
    """The condition is added to every token once, before the first block."""

    @staticmethod
    def enter(x: Tensor, condition: Condition) -> Tensor:
        return x + condition.vector[:, None]


class InContext(Block):
    """Time and class are two more tokens of the sequence, dropped after the last
    block (2212.09748 sec. 3.2).
    """

    @staticmethod
    def enter(x: Tensor, condition: Condition) -> Tensor:
        return torch.cat([condition.tokens, x], dim=1)

    @staticmethod
    def leave(x: Tensor) -> Tensor:
        return x[:, 2:]


class CrossAttended(Block):
    """A third branch after self-attention, in which every image token looks at the
    time and the class token (2212.09748 sec. 3.2).
    """

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.norm_cross = layer_norm(config.width, self.affine)
        self.cross = CrossAttention(config)

    def forward(
        self,
        x: Tensor,
        condition: Condition,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        x = x + self.attention(self.norm1(x), rotation)
        x = x + self.cross(self.norm_cross(x), condition.tokens)
        return x + self.mlp(self.norm2(x))


class FiLM(Block):
    """Four vectors a block: scale and shift of what each branch returns (1709.07871
    eq. 2, applied to the branches of a Transformer).
    """

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.modulation = Modulation(config.width, 4)

    def forward(
        self,
        x: Tensor,
        condition: Condition,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        shift1, scale1, shift2, scale2 = self.modulation(condition.vector)
        x = x + modulate(self.attention(self.norm1(x), rotation), shift1, scale1)
        return x + modulate(self.mlp(self.norm2(x)), shift2, scale2)


class AdaLN(Block):
    """Four vectors a block: scale and shift of both normalisations, and no gate
    (2212.09748 sec. 3.2).
    """

    affine = False

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.modulation = Modulation(config.width, 4)

    def forward(
        self,
        x: Tensor,
        condition: Condition,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        shift1, scale1, shift2, scale2 = self.modulation(condition.vector)
        x = x + self.attention(modulate(self.norm1(x), shift1, scale1), rotation)
        return x + self.mlp(modulate(self.norm2(x), shift2, scale2))


class AdaLNZero(Block):
    """The paper's block: six vectors a block, all zero at the start, so that every
    block begins as the identity (2212.09748 sec. 3.2).
    """

    affine = False

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.modulation = Modulation(config.width, 6)

    def forward(
        self,
        x: Tensor,
        condition: Condition,
        rotation: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.vectors(condition)
        x = gated(
            x, gate1, self.attention(modulate(self.norm1(x), shift1, scale1), rotation)
        )
        return gated(x, gate2, self.mlp(modulate(self.norm2(x), shift2, scale2)))

    def vectors(self, condition: Condition) -> tuple[Tensor, ...]:
        """Shift, scale and gate of the attention branch, then of the MLP branch,
        each (B, 1, D).
        """
        return self.modulation(condition.vector)


class AdaLNShared(AdaLNZero):
    """adaLN-Zero with one modulation for the whole model; a block adds only its own
    six learned vectors (2310.00426 sec. 2.3).
    """

    def __init__(self, config: DiTConfig):
        Block.__init__(self, config)
        self.own = nn.Parameter(torch.zeros(6, config.width))

    def vectors(self, condition: Condition) -> tuple[Tensor, ...]:
        return tuple(
            common + own for common, own in zip(condition.shared, self.own, strict=True)
        )

    @staticmethod
    def shared(config: DiTConfig) -> nn.Module:
        return Modulation(config.width, 6)


CONDITIONING = {
    "additive": Additive,
    "in_context": InContext,
    "cross_attention": CrossAttended,
    "film": FiLM,
    "adaln": AdaLN,
    "adaln_zero": AdaLNZero,
    "adaln_shared": AdaLNShared,
}
