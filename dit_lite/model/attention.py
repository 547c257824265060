"""Self-attention: the fast fused path, and a manual path beside it that shows its
weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig
from .positions import rotate


class HeadNorm(nn.RMSNorm):
    """RMSNorm of queries or keys (B, h, N, d_h), with its gain in their type: torch
    fuses only what is of one type.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Multi-head self-attention over all tokens, x (B, N, D) -> (B, N, D). Source:
    1706.03762 eq. 1 and sec. 3.2.2.

    With `qk_norm` queries and keys are normalised per head (RMS with a learned gain),
    which bounds the logits (2302.05442 sec. 2).
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.head_width = config.head_width
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.query_norm = (
            HeadNorm(self.head_width, eps=1e-6) if config.qk_norm else None
        )
        self.key_norm = HeadNorm(self.head_width, eps=1e-6) if config.qk_norm else None
        # a function that is given the weights (B, h, N, N) of every pass; see
        # record_attention
        self.show = None

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        # each (B, h, N, d_h)
        q, k, v = (
            self.qkv(x).unflatten(-1, (3, -1, self.head_width)).permute(2, 0, 3, 1, 4)
        )
        if self.query_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        if self.show is None:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            # (B, h, N, N)
            weights = (q @ k.transpose(-2, -1) / self.head_width**0.5).softmax(-1)
            self.show(weights.detach())
            y = weights @ v
        return self.out(y.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Image tokens ask, condition tokens answer: x (B, N, D), context (B, M, D) ->
    (B, N, D). Source: 1706.03762 sec. 3.2.3.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.head_width = config.head_width
        self.query = nn.Linear(config.width, config.width)
        self.key_value = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        # (B, h, N, d_h)
        q = self.query(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        # each (B, h, M, d_h)
        k, v = (
            self.key_value(context)
            .unflatten(-1, (2, -1, self.head_width))
            .permute(2, 0, 3, 1, 4)
        )
        return self.out(
            F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        )


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[Tensor]]:
    """Record the attention weights of each pass made inside the block.

    Yields a list over layers of (B, h, N, N) tensors whose rows sum to 1; a later pass
    replaces an earlier one. Inside the block the manual path runs, which equals the
    fused one up to rounding. Raises ValueError for a model without attention layers.
    """
    layers = [module for module in model.modules() if isinstance(module, Attention)]
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no attention layers to record; give a DiT"
        )
    latest: dict[int, Tensor] = {}
    maps: list[Tensor] = []

    def keep(layer: int, weights: Tensor) -> None:
        latest[layer] = weights
        maps[:] = [latest[i] for i in sorted(latest)]

    before = [layer.show for layer in layers]
    try:
        for i, layer in enumerate(layers):
            layer.show = lambda weights, i=i: keep(i, weights)
        yield maps
    finally:
        for layer, show in zip(layers, before, strict=True):
            layer.show = show


ATTENTION = {"full": Attention}
