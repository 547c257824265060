"""What a word does: it is removed or made stronger or weaker, an attention map replaces
the model's own, or a layer reads another caption, while everything else stays the same.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..model import DiT, is_null
from ..model.attention import CrossAttention, attention_layers
from ..model.hooks import hooked


@contextmanager
def change_words(
    model: DiT,
    seen: Sequence[bool] | Tensor | None = None,
    factors: Sequence[float] | Tensor | None = None,
    maps: Sequence[Tensor] | None = None,
) -> Iterator[list[Tensor]]:
    """Change how much each word of a caption counts in every layer of cross-attention,
    in the passes made inside the block. Images with "no condition", as in guidance,
    are left alone.

    `seen` (M,) bool: a word with False is removed before the softmax, so the others
    share its weight. `factors` (M,), at least 0: each word's weights are multiplied
    after the softmax, so a row no longer sums to 1 (2208.01626 sec. 3.2, attention
    re-weighting). `maps`, one (h, N, M) or (B, h, N, M) for each layer: used in place
    of the model's own (same source, word swap); `seen` and `factors` act on them too.
    Yields a list over layers of the weights used in the latest pass, (B, h, N, M).
    Raises ValueError, naming the argument.
    """
    layers = [part for part in model.modules() if isinstance(part, CrossAttention)]
    if model.config.condition == "label" or not layers:
        raise ValueError(
            f"condition={model.config.condition!r} and "
            f"conditioning={model.config.conditioning!r} have no attention to words; "
            "use a caption model with conditioning='adaln_zero_cross'"
        )
    if maps is not None and len(maps) != len(layers):
        raise ValueError(f"maps has {len(maps)} layers; the model has {len(layers)}")
    seen, factors = _seen(seen), _factors(factors)
    plain: list[Tensor] = []  # which images of this pass have no caption, (B,)
    used: list[Tensor] = [torch.empty(0)] * len(layers)

    def enter(model: DiT, inputs: tuple, named: dict) -> None:
        y = named["y"] if "y" in named else inputs[2]
        plain[:] = [is_null(model.config, y)]

    def change(i: int):
        def hook(layer: CrossAttention, inputs: tuple, output: Tensor) -> Tensor:
            q, k, v, mask = layer.project(*inputs)
            own = layer.weights(q, k, mask)  # (B, h, N, M)
            new, some = own.clone(), ~plain[0]
            if maps is not None:
                new[some] = _fitting(maps[i], own[some], i).to(own)
            if seen is not None:
                kept = new * _of_length("seen", seen, own).to(own)
                kept = kept / kept.sum(-1, keepdim=True)
                new[some] = kept[some]
            if factors is not None:
                new[some] = (new * _of_length("factors", factors, own).to(own))[some]
            used[i] = new.detach()
            y = layer.heads(new @ v)  # (B, h, N, d_h)
            return layer.out(y.transpose(1, 2).flatten(2))  # (B, N, D)

        return hook

    handles = [model.register_forward_pre_hook(enter, with_kwargs=True)]
    handles += [
        layer.register_forward_hook(change(i)) for i, layer in enumerate(layers)
    ]
    with hooked(handles):
        yield used


@contextmanager
def other_words(model: DiT, layers: Collection[int], y: Tensor) -> Iterator[None]:
    """Inside, cross-attention in some `layers` reads the captions y (n, M), and in the
    others the captions that the model is called with. Images with "no condition", as in
    guidance, are unaffected.

    Raises ValueError for a layer that the model does not have, a model whose
    cross-attention does not read captions alone, and a call with another number of
    captions.
    """
    config, crosses = model.config, attention_layers(model, "cross")
    if (config.condition, config.conditioning) != ("caption", "adaln_zero_cross"):
        raise ValueError(
            f"condition={config.condition!r} with "
            f"conditioning={config.conditioning!r}: its layers do not read words "
            "alone; use a caption model with conditioning='adaln_zero_cross'"
        )
    if wrong := [layer for layer in layers if not 0 <= layer < len(crosses)]:
        raise ValueError(
            f"there is no layer {wrong[0]}; cross-attention layers are 0 to "
            f"{len(crosses) - 1}"
        )
    asked: list[Tensor] = []  # which images of this pass have a caption, (B,)

    def enter(model: DiT, inputs: tuple, named: dict) -> None:
        asked[:] = [~is_null(config, named["y"] if "y" in named else inputs[2])]
        if asked[0].sum() != len(y):
            raise ValueError(
                f"y has {len(y)} captions for a call with {int(asked[0].sum())} "
                "captioned images; pass one for each"
            )

    def swap(layer: CrossAttention, inputs: tuple) -> tuple:
        x, tokens, mask = inputs
        new = model.condition.caption(y)
        tokens, mask = tokens.clone(), mask.clone()
        tokens[asked[0]], mask[asked[0]] = new.tokens, new.mask
        return x, tokens, mask

    handles = [model.register_forward_pre_hook(enter, with_kwargs=True)]
    handles += [crosses[i].register_forward_pre_hook(swap) for i in layers]
    with hooked(handles):
        yield


def _seen(seen) -> Tensor | None:
    if seen is None:
        return None
    seen = torch.as_tensor(seen)
    if seen.dtype != torch.bool or seen.ndim != 1:
        raise ValueError(
            f"seen has dtype {seen.dtype} and shape {tuple(seen.shape)}; pass one bool "
            "for each word, (M,)"
        )
    if not seen.any():
        raise ValueError(
            "seen is False throughout, which removes every word; use the null caption "
            "instead"
        )
    return seen


def _factors(factors) -> Tensor | None:
    if factors is None:
        return None
    factors = torch.as_tensor(factors, dtype=torch.float32)
    if factors.ndim != 1 or not all(0 <= f < math.inf for f in factors.tolist()):
        raise ValueError(
            f"factors={factors.tolist()} must be one finite number of at least 0 for "
            "each word, (M,); 1 leaves a word as it is"
        )
    return factors


def _of_length(name: str, value: Tensor, weights: Tensor) -> Tensor:
    if len(value) != weights.shape[-1]:
        raise ValueError(
            f"{name} has {len(value)} entries for captions of M={weights.shape[-1]} "
            "tokens; pass one for each, including padding"
        )
    return value


def _fitting(map: Tensor, own: Tensor, layer: int) -> Tensor:
    if map.ndim not in (3, 4) or map.shape[-3:] != own.shape[-3:]:
        raise ValueError(
            f"maps[{layer}] has shape {tuple(map.shape)}; expected "
            f"{tuple(own.shape[-3:])}, (h, N, M), with or without a leading image axis"
        )
    return map.expand_as(own)
