"""How time and condition reach the blocks: one small class per mechanism, all with the
interface of Block.
"""

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .attention import ATTENTION, CrossAttention, JointAttention
from .block import Block, Gated, Modulated, Modulation, gated, layer_norm, modulate
from .context import Context
from .mlp import MLPS


class Additive(Block):
    """The condition is added to every token once, before the first block."""

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        return x + context.vector[:, None], context


class InContext(Block):
    """Time and condition are extra tokens of the sequence, placed before the image's
    and dropped after the last block (2212.09748 sec. 3.2).
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
    """Four vectors per block: scale and shift of what each branch returns (1709.07871
    eq. 2, applied to the branches of a Transformer).
    """

    def forward(self, x: Tensor, context: Context) -> Tensor:
        v = self.vectors(context)
        a = self.attention(self.norm1(x), context.rotation, context.mask)
        x = x + modulate(a, v.shift1, v.scale1)
        return x + modulate(self.mlp(self.norm2(x)), v.shift2, v.scale2)  # (B, N, D)


class AdaLN(Modulated):
    """Four vectors per block: scale and shift of both normalisations, and no gate
    (2212.09748 sec. 3.2).
    """

    affine = False

    def forward(self, x: Tensor, context: Context) -> Tensor:
        v = self.vectors(context)
        h = modulate(self.norm1(x), v.shift1, v.scale1)
        x = x + self.attention(h, context.rotation, context.mask)
        return x + self.mlp(modulate(self.norm2(x), v.shift2, v.scale2))  # (B, N, D)


class AdaLNZero(Modulated):
    """The paper's block: six vectors per block, all zero at the start, so that every
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
    whose output starts at zero (2310.00426 sec. 2.3).
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
        x = x + self.words(x, context)
        h = modulate(self.norm2(x), v.shift2, v.scale2)
        return gated(x, v.gate2, self.mlp(h))  # (B, N, D)

    def words(self, x: Tensor, context: Context) -> Tensor:
        """What image tokens x (B, N, D) take from the condition: (B, N, D)."""
        return self.cross(self.norm_cross(x), context.tokens, context.token_mask)

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        time, context = context.tokens[:, 0], without_time(context)
        # copied once here, or the projection of each block would copy the slice
        tokens = context.tokens.contiguous()  # (B, M, D)
        return x, context._replace(tokens=tokens, vector=time)


class GlobalAndLocal(AdaLNZeroCross):
    """Each layer weights the condition as one vector, which modulates together with
    the time, by s, and its tokens by 1 - s, fixed or learned (DiTConfig.global_share).
    """

    def __init__(self, config: DiTConfig, layer: int = 0):
        super().__init__(config, layer)
        fixed = config.global_share_of(layer)
        self.share = LearnedShare() if fixed is None else FixedShare(fixed)

    def vectors(self, context: Context) -> Gated:
        vector = context.vector + self.share() * context.pooled  # (B, D)
        return super().vectors(context._replace(vector=vector))

    def words(self, x: Tensor, context: Context) -> Tensor:
        return (1 - self.share()) * super().words(x, context)


class FixedShare(nn.Module):
    """A fixed number."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self) -> float:
        return self.share


class LearnedShare(nn.Module):
    """A learned number in (0,1), initially one half."""

    def __init__(self):
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(1))

    def forward(self) -> Tensor:
        return self.logit.sigmoid()  # (1,)


class Joint(AdaLNZero):
    """Two streams, words and image, that share no weights and meet in one attention;
    time and the pooled caption modulate both (MM-DiT, 2403.03206 sec. 4). The last
    block updates only the image.
    """

    def __init__(self, config: DiTConfig, layer: int = 0):
        super().__init__(config, layer)
        D, self.last = config.width, layer == config.depth - 1
        _, weighting = ATTENTION[config.attention_of(layer)]
        self.attention = JointAttention(config, weighting, self.last)
        self.words_modulation = Modulation(D, 2 if self.last else len(Gated._fields))
        if not self.last:
            self.words_mlp = MLPS[config.mlp](config)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        # (B, M, D), (B, N, D)
        words, x = x[:, : context.prefix], x[:, context.prefix :]
        w, v = self.words_modulation(context.vector), self.vectors(context)
        asked = modulate(self.norm1(words), *w[:2])
        h = modulate(self.norm1(x), v.shift1, v.scale1)
        a, b = self.attention(asked, h, context.rotation, context.mask)
        x = gated(x, v.gate1, b)
        x = gated(x, v.gate2, self.mlp(modulate(self.norm2(x), v.shift2, v.scale2)))
        if not self.last:
            w = Gated(*w)
            words = gated(words, w.gate1, a)
            h = modulate(self.norm2(words), w.shift2, w.scale2)
            words = gated(words, w.gate2, self.words_mlp(h))
        return torch.cat([words, x], dim=1)  # (B, M + N, D)

    @staticmethod
    def enter(x: Tensor, context: Context) -> tuple[Tensor, Context]:
        return InContext.enter(x, without_time(context))


def without_time(context: Context) -> Context:
    """The context with the tokens of the condition only: (B, M, D)."""
    mask = context.token_mask
    mask = mask if mask is None else mask[:, 1:]
    return context._replace(tokens=context.tokens[:, 1:], token_mask=mask)


CONDITIONING = {
    "additive": Additive,
    "in_context": InContext,
    "cross_attention": CrossAttended,
    "film": FiLM,
    "adaln": AdaLN,
    "adaln_zero": AdaLNZero,
    "adaln_shared": AdaLNShared,
    "adaln_zero_cross": AdaLNZeroCross,
    "joint": Joint,
}


def block_of(config: DiTConfig) -> type[Block]:
    """The class of a model's blocks."""
    layered = config.global_share is not None
    return GlobalAndLocal if layered else CONDITIONING[config.conditioning]
