"""How time and condition reach the blocks: one small class a mechanism, all with the
interface of Block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .attention import CrossAttention
from .block import Block, Gated, Modulated, Modulation, gated, layer_norm, modulate
from .context import Context


class Additive(Block):
    """The condition is added to every token once, before the first block."""

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        return x + context.vector[:, None], context


class InContext(Block):
    """Time and condition are more tokens of the sequence, in front of the image's and
    dropped after the last block (2212.09748 sec. 3.2).
    """

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        x = torch.cat([context.tokens, x], dim=1)  # (B, prefix + N, D)
        return x, context._replace(prefix=context.tokens.shape[1])


class CrossAttended(Block):
    """A third branch after self-attention, in which every image token looks at the
    tokens of time and condition (2212.09748 sec. 3.2).
    """

    def __init__(self, config: DiTConfig, layer: int = 0):
        super().__init__(config, layer)
        self.norm_cross = layer_norm(config.width, self.affine)
        self.cross = CrossAttention(config)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = x + self.attention(self.norm1(x), context.rotation, context.mask)
        x = x + self.cross(self.norm_cross(x), context.tokens, context.token_mask)
        return x + self.mlp(self.norm2(x))  # (B, N, D)


class FiLM(Modulated):
    """Four vectors a block: scale and shift of what each branch returns (1709.07871
    eq. 2, applied to the branches of a Transformer).
    """

    def forward(self, x: Tensor, context: Context) -> Tensor:
        v = self.vectors(context)
        a = self.attention(self.norm1(x), context.rotation, context.mask)
        x = x + modulate(a, v.shift1, v.scale1)
        return x + modulate(self.mlp(self.norm2(x)), v.shift2, v.scale2)  # (B, N, D)


class AdaLN(Modulated):
    """Four vectors a block: scale and shift of both normalisations, and no gate
    (2212.09748 sec. 3.2).
    """

    affine = False

    def forward(self, x: Tensor, context: Context) -> Tensor:
        v = self.vectors(context)
        h = modulate(self.norm1(x), v.shift1, v.scale1)
        x = x + self.attention(h, context.rotation, context.mask)
        return x + self.mlp(modulate(self.norm2(x), v.shift2, v.scale2))  # (B, N, D)


class AdaLNZero(Modulated):
    """The paper's block: six vectors a block, all zero at the start, so that every
    block begins as the identity (2212.09748 sec. 3.2).
    """

    affine, named = False, Gated

    def forward(self, x: Tensor, context: Context) -> Tensor:
        v = self.vectors(context)
        h = modulate(self.norm1(x), v.shift1, v.scale1)
        x = gated(x, v.gate1, self.attention(h, context.rotation, context.mask))
        h = modulate(self.norm2(x), v.shift2, v.scale2)
        return gated(x, v.gate2, self.mlp(h))  # (B, N, D)


class AdaLNShared(AdaLNZero):
    """adaLN-Zero with one modulation for the whole model; a block adds only its own
    six learned vectors (2310.00426 sec. 2.3).
    """

    def __init__(self, config: DiTConfig, layer: int = 0):
        Block.__init__(self, config, layer)
        self.own = nn.Parameter(torch.zeros(6, config.width))

    def vectors(self, context: Context) -> Gated:
        both = zip(context.shared, self.own, strict=True)
        return Gated(*(common + own for common, own in both))

    @staticmethod
    def shared(config: DiTConfig) -> nn.Module:
        return Modulation(config.width, 6)


class AdaLNZeroCross(AdaLNZero):
    """Time by adaLN-Zero, the condition by a cross-attention between the two branches
    that starts as nothing (2310.00426 sec. 2.3).
    """

    def __init__(self, config: DiTConfig, layer: int = 0):
        super().__init__(config, layer)
        self.norm_cross = layer_norm(config.width, True)
        self.cross = CrossAttention(config)

    def initialise(self) -> None:
        nn.init.zeros_(self.cross.out.weight)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        v = self.vectors(context)
        h = modulate(self.norm1(x), v.shift1, v.scale1)
        x = gated(x, v.gate1, self.attention(h, context.rotation, context.mask))
        x = x + self.cross(self.norm_cross(x), context.tokens, context.token_mask)
        h = modulate(self.norm2(x), v.shift2, v.scale2)
        return gated(x, v.gate2, self.mlp(h))  # (B, N, D)

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        time, words = context.tokens[:, 0], context.tokens[:, 1:]  # (B, D), (B, M, D)
        mask = context.token_mask
        mask = mask if mask is None else mask[:, 1:]
        return x, context._replace(vector=time, tokens=words, token_mask=mask)


CONDITIONING = {
    "additive": Additive,
    "in_context": InContext,
    "cross_attention": CrossAttended,
    "film": FiLM,
    "adaln": AdaLN,
    "adaln_zero": AdaLNZero,
    "adaln_shared": AdaLNShared,
    "adaln_zero_cross": AdaLNZeroCross,
}
