"""Attention: the fused kernel, the same computation written out, and the recording of
what a layer computes.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig, choose
from .attention_patterns import PATTERNS
from .attention_weights import WEIGHTINGS
from .hooks import hooked
from .positions import rotate

#: What a name of `DiTConfig.attention` means: (who may look at whom, how products
#: become weights).
ATTENTION = {name: (name, "softmax") for name in PATTERNS} | {
    name: ("full", name) for name in WEIGHTINGS if name != "softmax"
}


class HeadNorm(nn.RMSNorm):
    """RMSNorm of queries or keys (B, h, N, d_h), with its gain in their dtype: torch
    fuses only operands of one dtype.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def head_norms(config: DiTConfig) -> tuple[nn.Module, nn.Module]:
    """What is applied to queries and to keys: a normalisation each, or nothing."""
    return tuple(
        HeadNorm(config.head_width, eps=1e-6) if config.qk_norm else nn.Identity()
        for _ in range(2)
    )


class Intermediates(NamedTuple):
    """What a layer computes on the way: `queries` (B, h, N, d_h), `keys` and `values`
    (B, h, M, d_h), and `weights` (B, h, N, M), whose rows sum to 1.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    weights: Tensor


class Heads(nn.Module):
    """What self- and cross-attention share: everything between the projections.

    Fused projections are laid out head by head (layout.py). With `fused` the weights
    never reach memory. `heads` passes on the result of each head, (B, h, N, d_h): a
    hook there can change or silence one.
    """

    def __init__(self, config: DiTConfig, weighting: str = "softmax"):
        super().__init__()
        self.head_width, self.scale = config.head_width, config.logit_scale
        self.weighting, self.fused = WEIGHTINGS[weighting], weighting == "softmax"
        self.heads = nn.Identity()

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.out(self.mix(*inputs).flatten(2))  # (B, N, D)

    def mix(self, *inputs: Tensor) -> Tensor:
        """The results of the heads, (B, N, h, d_h), before the last projection."""
        y = self.attend(*self.project(*inputs))  # (B, h, N, d_h)
        return self.heads(y).transpose(1, 2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """The result of each head, (B, h, N, d_h)."""
        # torch's fused kernel for CPUs has a slow backward pass in bf16
        if self.fused and not (q.is_cpu and q.dtype == torch.bfloat16):
            return F.scaled_dot_product_attention(q, k, v, mask, scale=self.scale)
        return self.weights(q, k, mask) @ v

    def split(self, x: Tensor, parts: int) -> Tensor:
        """(B, N, h * parts * d_h) -> (parts, B, h, N, d_h)."""
        return x.unflatten(-1, (-1, parts, self.head_width)).permute(3, 0, 2, 1, 4)

    def weights(self, q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
        """The weight of each key for each query: (B, h, N, M), rows sum to 1."""
        logits = q @ k.transpose(-2, -1) * self.scale  # (B, h, N, M)
        if mask is not None:
            logits = logits.masked_fill(~mask, -torch.inf)
        return self.weighting(logits)

    @torch.no_grad()
    def look(self, *inputs: Tensor) -> Intermediates:
        """What `forward` computes on the way, from the same arguments."""
        q, k, v, mask = self.project(*inputs)
        return Intermediates(q, k, v, self.weights(q, k, mask))


class Attention(Heads):
    """Multi-head self-attention: x (B, N, D) -> (B, N, D). Source: 1706.03762 eq. 1 and
    sec. 3.2.2.

    `rotation` rotates queries and keys by their position; `mask`, (N, N) or (B, 1, N,
    N) bool, is True where the row may look at the column. With `qk_norm` queries and
    keys are normalised per head (RMS with a learned gain), which bounds the logits
    (2302.05442 sec. 2).
    """

    def __init__(self, config: DiTConfig, weighting: str = "softmax"):
        super().__init__(config, weighting)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.query_norm, self.key_norm = head_norms(config)

    def project(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Queries, keys and values, each (B, h, N, d_h), and the mask."""
        q, k, v = self.split(self.qkv(x), 3)
        q, k = self.query_norm(q), self.key_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        return q, k, v, mask


class JointAttention(Attention):
    """Words and image tokens in one attention, each with their own projections: words
    (B, M, D) and x (B, N, D) -> both, updated. Source: MM-DiT, 2403.03206 sec. 4.

    `rotation` and `mask` are those of the sequence of M + N tokens, words first. In the
    `last` block nothing reads the words' result: there words serve as keys and values
    only, and the output is None and x.
    """

    def __init__(self, config: DiTConfig, weighting: str = "softmax", last=False):
        super().__init__(config, weighting)
        D = config.width
        self.last = last
        self.words_qkv = nn.Linear(D, (2 if last else 3) * D)
        self.words_query_norm, self.words_key_norm = head_norms(config)
        self.words_out = nn.Linear(D, D)
        if last:
            del self.words_out, self.words_query_norm

    def project(
        self,
        words: Tensor,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Queries (B, h, M + N, d_h), or only the image's in the last block, keys and
        values (B, h, M + N, d_h), and the mask of those queries.
        """
        q, k, v, _ = super().project(x)
        *asking, their_k, their_v = self.split(self.words_qkv(words), 3 - self.last)
        k = torch.cat([self.words_key_norm(their_k), k], dim=2)
        v = torch.cat([their_v, v], dim=2)
        if asking:
            q = torch.cat([self.words_query_norm(asking[0]), q], dim=2)
        Q = q.shape[2]
        if rotation is not None:
            q, k = rotate(q, [table[-Q:] for table in rotation]), rotate(k, rotation)
        return q, k, v, mask if mask is None else mask[..., -Q:, :]

    def forward(self, words: Tensor, x: Tensor, *rest) -> tuple[Tensor | None, Tensor]:
        y, M = self.mix(words, x, *rest), words.shape[1]
        if self.last:
            return None, self.out(y.flatten(2))
        return self.words_out(y[:, :M].flatten(2)), self.out(y[:, M:].flatten(2))


class CrossAttention(Heads):
    """Cross-attention, with queries from image tokens, keys and values from condition
    tokens: x (B, N, D), tokens (B, M, D) -> (B, N, D). `token_mask` (B, M) bool is
    False for padding. Source: 1706.03762 sec. 3.2.3.

    `kept`, a list that a WordCache provides, keeps keys and values from call to call.
    """

    kept: list[Tensor] | None = None

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.query = nn.Linear(config.width, config.width)
        self.key_value = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def project(
        self, x: Tensor, tokens: Tensor, token_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Queries (B, h, N, d_h), keys and values (B, h, M, d_h), and the mask."""
        (q,) = self.split(self.query(x), 1)
        if self.kept:
            k, v = self.kept
        else:
            k, v = self.split(self.key_value(tokens), 2)
            if self.kept is not None:
                self.kept[:] = k, v
        mask = token_mask if token_mask is None else token_mask[:, None, None]
        return q, k, v, mask  # mask (B, 1, 1, M)


#: What `record_attention` can record, and the layers of each kind.
RECORDED = {"self": Attention, "cross": CrossAttention}


def attention_layers(model: nn.Module, kind: str = "self") -> list[Heads]:
    """The layers of "self"- or "cross"-attention of a model, first to last. Raises
    ConfigError for another kind, ValueError for a model that has none.
    """
    choose("kind", kind, RECORDED)
    layers = [part for part in model.modules() if isinstance(part, RECORDED[kind])]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no {kind}-attention layers")
    return layers


@contextmanager
def record_attention(model: nn.Module, kind: str = "self") -> Iterator[list[Tensor]]:
    """Record the attention weights of every forward pass made inside the block.

    Yields a list over layers of tensors whose rows sum to 1: (B, h, N, N) for
    `kind` "self", with the prefix where a condition has one (in the last layer of
    "joint" the words are columns only); (B, h, N, M) for "cross".
    A later pass replaces an earlier one. Recording does not change the pass; the
    weights are computed in addition to it. Raises ConfigError for any other kind,
    ValueError for a model without such layers.
    """
    layers = attention_layers(model, kind)
    latest: dict[int, Tensor] = {}
    maps: list[Tensor] = []

    def keep(layer: Heads, inputs: tuple, output: Tensor, i: int) -> None:
        latest[i] = layer.look(*inputs).weights
        maps[:] = [latest[i] for i in sorted(latest)]

    handles = [
        layer.register_forward_hook(functools.partial(keep, i=i))
        for i, layer in enumerate(layers)
    ]
    with hooked(handles):
        yield maps
