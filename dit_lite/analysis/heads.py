"""What single attention heads do: remove them, measure how much the loss needs them,
how far they differ and what each is needed for, and train with some of them dropped.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from ..config.arguments import checked
from ..model.attention import attention_layers
from ..model.hooks import hooked
from .attention_stats import _check


@contextmanager
def without_heads(
    model: nn.Module, heads: Mapping[int, Collection[int]], kind: str = "self"
) -> Iterator[None]:
    """Inside, the named heads output zero: {layer: numbers of heads}.

    Raises ConfigError for another kind, ValueError for a layer or head that is not
    there. Source: 1905.10650 sec. 2.3.
    """
    layers, h = attention_layers(model, kind), model.config.heads
    for layer, some in heads.items():
        if not 0 <= layer < len(layers):
            raise ValueError(
                f"there is no layer {layer}; {kind}-attention layers are 0 to "
                f"{len(layers) - 1}"
            )
        if wrong := [head for head in some if not 0 <= head < h]:
            raise ValueError(f"there is no head {wrong[0]}; heads are 0 to {h - 1}")

    def silence(_, inputs: tuple, y: Tensor, gate: Tensor) -> Tensor:
        return y * gate.to(y)

    handles = []
    for layer, some in heads.items():
        gate = torch.ones(h, 1, 1)
        gate[list(some)] = 0
        hook = partial(silence, gate=gate)
        handles.append(layers[layer].heads.register_forward_hook(hook))
    with hooked(handles):
        yield


def head_importance(
    model: nn.Module, loss: Callable[[], Tensor], kind: str = "self"
) -> Tensor:
    """How much the loss would change under a small change of each head: (L, h), the
    mean over images of |d loss / d gate| at gate 1.

    `loss()` runs the model and returns one value per image, (B,). Raises ConfigError
    for another kind, ValueError for a model without such layers. Source: 1905.10650
    eq. 2.
    """
    layers, gates = attention_layers(model, kind), {}

    def gated(_, inputs: tuple, y: Tensor, layer: int) -> Tensor:
        gates[layer] = y.new_ones(*y.shape[:2], 1, 1).requires_grad_()
        return y * gates[layer]

    handles = [
        layer.heads.register_forward_hook(partial(gated, layer=i))
        for i, layer in enumerate(layers)
    ]
    with hooked(handles), torch.enable_grad():
        total = loss().sum()
        ordered = [gates[i] for i in range(len(layers))]
        found = torch.autograd.grad(total, ordered)
    return torch.stack([one.flatten(1).abs().mean(0) for one in found]).detach()


@checked
def head_divergence(weights: Tensor) -> Tensor:
    """How much the heads of a layer differ in what they look at: weights (B, h, N, M)
    -> (h, h), the Jensen-Shannon divergence of two heads in bits, from 0 (alike) to 1
    (no key in common), mean over images and queries. Raises ValueError for other input.
    """
    if weights.ndim != 4:
        raise ValueError(
            f"weights have shape {tuple(weights.shape)}; pass one layer, (B, h, N, M)"
        )
    weights = _check(weights)

    def entropy(p: Tensor) -> Tensor:
        return torch.special.entr(p).sum(-1)

    own = entropy(weights)  # (B, h, N)
    rows = []
    for head in range(weights.shape[1]):  # one row at a time: h^2 maps are too many
        both = (weights + weights[:, head : head + 1]) / 2
        apart = entropy(both) - (own + own[:, head : head + 1]) / 2  # (B, h, N)
        rows.append(apart.mean((0, 2)))
    return (torch.stack(rows) / math.log(2)).clamp(min=0)


@checked
def head_specificity(lost: Tensor) -> tuple[Tensor, Tensor]:
    """Whether a head is needed for one attribute more than for every other: lost (S, H,
    A), what S repeats lose of A attributes without each of H heads.

    For each attribute the head whose removal costs most of it, beyond what it costs of
    any other, is chosen on all repeats but one, and its excess measured on that one.
    Returns the excesses and the heads, both (S, A). Two attributes with positive
    excesses and different heads are a double dissociation; without any specificity the
    excesses are negative on average, since choice and measurement use different
    repeats. Raises ValueError for fewer than two repeats or attributes. Source: double
    dissociation, Teuber 1955.
    """
    if lost.ndim != 3 or min(lost.shape[0], lost.shape[2]) < 2:
        raise ValueError(
            f"lost has shape {tuple(lost.shape)}; pass repeats, heads and attributes, "
            "(S, H, A), at least two repeats and two attributes"
        )
    lost, (S, _, A) = lost.double(), lost.shape
    others = lost[..., None, :].expand(*lost.shape, A)  # (S, H, A, A)
    own = torch.eye(A, dtype=torch.bool, device=lost.device)
    excess = lost - others.masked_fill(own, -math.inf).amax(-1)  # (S, H, A)
    rest = (excess.sum(0) - excess) / (S - 1)  # the mean of all repeats but one
    heads = rest.argmax(1)  # (S, A)
    return excess.gather(1, heads[:, None])[:, 0], heads


def drop_heads(model: nn.Module, share: float, seed: int = 0) -> None:
    """Train with heads dropped: in training mode each head of each image is zeroed with
    probability `share` and the others are scaled up to match.

    It uses its own random generator, seeded by `seed`. Raises ValueError for a share
    outside [0, 1). Source: DropHead, 2004.13342 eq. 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share} must be at least 0 and below 1")
    generator = torch.Generator().manual_seed(seed)

    def drop(module: nn.Module, inputs: tuple, y: Tensor) -> Tensor | None:
        if not module.training:
            return None
        kept = torch.rand(*y.shape[:2], 1, 1, generator=generator) >= share
        return y * (kept / (1 - share)).to(y)

    for layer in attention_layers(model):
        layer.heads.register_forward_hook(drop)
