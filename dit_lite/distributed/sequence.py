"""Sequence parallelism: every device works on its own tokens, and on a subset of the
heads during attention (Ulysses, 2309.14509).

Before attention an all-to-all trades tokens for heads, afterwards another trades them
back: 4 N D / p values per image, block and device, however many devices there are.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..model.attention import Attention


def split_tokens(model: nn.Module, group: dist.ProcessGroup) -> nn.Module:
    """Split the tokens of a model over a group, in place. Every device returns the
    whole image.

    Each device's gradients come from its own tokens and are too large by a factor of
    the number of devices; so their mean over the group, which data parallelism takes
    anyway, is the gradient.
    """
    tokens = Tokens(group)
    model.enter = Entry(model.enter, tokens)
    for module in model.modules():
        if isinstance(module, Attention):
            module.forward = Ulysses(module, tokens).forward
    model.blocks[-1].register_forward_hook(tokens.after)
    return model


class Tokens:
    """The tokens (B, N, D) of a batch, in contiguous parts on a group's devices."""

    def __init__(self, group: dist.ProcessGroup):
        self.group = group
        self.rank, self.ranks = dist.get_rank(group), dist.get_world_size(group)

    def part(self, x: Tensor, dim: int) -> Tensor:
        """This device's share of a dimension."""
        return x.chunk(self.ranks, dim)[self.rank].contiguous()

    def whole(self, x: Tensor) -> Tensor:
        """All tokens again, on every device."""
        return Gather.apply(x.contiguous(), self)

    def after(self, block: nn.Module, inputs: tuple, x: Tensor) -> Tensor:
        return self.whole(x)

    def to_heads(self, x: Tensor) -> Tensor:
        """(3, B, h, N/p, d_h) -> (3, B, h/p, N, d_h)."""
        p = self.ranks
        x = x.unflatten(2, (p, -1)).movedim(2, 0).contiguous()
        return self._exchange(x).movedim(0, 3).flatten(3, 4)

    def to_tokens(self, x: Tensor) -> Tensor:
        """(B, h/p, N, d_h) -> (B, h, N/p, d_h)."""
        p = self.ranks
        x = x.unflatten(2, (p, -1)).movedim(2, 0).contiguous()
        return self._exchange(x).movedim(0, 1).flatten(1, 2)

    def _exchange(self, x: Tensor) -> Tensor:
        """Part i of the first dimension goes to device i."""
        return Exchange.apply(x, self.group)


class Exchange(torch.autograd.Function):
    """An all-to-all; its gradient takes the reverse path."""

    @staticmethod
    def forward(ctx, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        y = torch.empty_like(x)
        dist.all_to_all_single(y, x, group=group)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return Exchange.apply(gradient.contiguous(), ctx.group), None


class Gather(torch.autograd.Function):
    """The tokens of all devices. All devices then compute the same, so the sum over
    them of the gradient is p times that of one, and nothing needs to be sent.
    """

    @staticmethod
    def forward(ctx, x: Tensor, tokens: Tokens) -> Tensor:
        ctx.tokens = tokens
        parts = [torch.empty_like(x) for _ in range(tokens.ranks)]
        dist.all_gather(parts, x, group=tokens.group)
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.tokens.part(gradient, 1) * ctx.tokens.ranks, None


class Entry:
    """The model's `enter`, after which each device goes on with its own tokens."""

    def __init__(self, enter, tokens: Tokens):
        self.enter, self.tokens = enter, tokens

    def __call__(self, x: Tensor, context):
        x, context = self.enter(x, context)
        return self.tokens.part(x, 1), context


class Ulysses:
    """The forward pass of an attention layer whose tokens are spread over devices."""

    def __init__(self, layer: Attention, tokens: Tokens):
        self.layer, self.tokens = layer, tokens

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        layer, tokens = self.layer, self.tokens
        if rotation is not None:
            rotation = tuple(tokens.part(table, 0) for table in rotation)
        q, k, v, _ = layer.project(x, rotation)
        q, k, v = tokens.to_heads(torch.stack([q, k, v]))
        y = layer.attend(q, k, v, mask)  # (B, h/p, N, d_h)
        y = layer.heads(tokens.to_tokens(y))  # (B, h, N/p, d_h)
        return layer.out(y.transpose(1, 2).flatten(2))
