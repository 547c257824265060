"""Where a word of a caption acts in the picture, by three measures on one network: the
attention it gets, the vector it contributes, and what changes without it.

All maps are (..., M, N): one non-negative number for each word and patch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..config.arguments import checked
from ..model import null_like
from ..model.attention import CrossAttention, Intermediates, attention_layers
from ..model.hooks import hooked


@contextmanager
def _looks(model: nn.Module) -> Iterator[list[tuple[CrossAttention, Intermediates]]]:
    """What every layer of cross-attention computes in the passes made inside."""
    seen: list[tuple[CrossAttention, Intermediates]] = []
    handles = [
        layer.register_forward_hook(
            lambda layer, inputs, _: seen.append((layer, layer.look(*inputs)))
        )
        for layer in attention_layers(model, "cross")
    ]
    with hooked(handles):
        yield seen


@torch.no_grad()
def attention_maps(model: nn.Module, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """The weight that each patch gives each word, averaged over heads: (L, B, M, N),
    which sums to 1 over words. Arguments as for the model. Source: DAAM 2210.04885 sec.
    3.

    Where time is a token too, it is word 0. Raises ValueError for a model without
    cross-attention.
    """
    with _looks(model) as seen:
        model(x, t, y)
    return torch.stack([look.weights.mean(1).mT for _, look in seen])


@torch.no_grad()
def contribution_maps(model: nn.Module, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """The length of the vector that each word adds to each patch: (L, B, M, N), norms
    of sum_h A_h W_O,h v_h, the terms whose sum is the layer's output.

    Arguments and errors as in `attention_maps`. Source: 2004.10102 eq. 6; maps in the
    space of outputs as ConceptAttention, 2502.04320 sec. 4, argues for.
    """
    with _looks(model) as seen:
        model(x, t, y)
    return torch.stack([_contributions(layer, look) for layer, look in seen])


def _contributions(layer: CrossAttention, look: Intermediates) -> Tensor:
    h = look.values.shape[1]
    out = layer.out.weight.unflatten(1, (h, -1))  # (D, h, d_h)
    carried = torch.einsum("bhmd,ohd->bhmo", look.values, out)
    added = torch.einsum("bhnm,bhmo->bmno", look.weights, carried)  # (B, M, N, D)
    return added.norm(dim=-1)


@torch.no_grad()
def effect_maps(model: nn.Module, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """How much each patch of the output changes when a word is removed: (B, M, N), the
    root mean square over the patch, 0 for padding.

    A word is removed by treating it as padding: nothing attends to it, and the others
    keep their positions. A caption without its only word is "no caption". Makes M + 1
    calls of the model, one after the other. Raises ValueError for labels, which have no
    words.
    """
    config = model.config
    if y.ndim < 2:
        raise ValueError(
            f"y has shape {tuple(y.shape)}: labels have no words to remove; pass "
            "captions (B, M) to a model of captions"
        )
    whole, null = model(x, t, y), null_like(config, y)
    P, C = config.patch_size, config.channels
    effects = []
    for j in range(y.shape[1]):
        without = y.clone()
        without[:, j] = null[:, j]
        change = (model(x, t, without) - whole)[:, :C]
        area = torch.nn.functional.avg_pool2d(change.square().mean(1), P)
        effects.append(area.sqrt().flatten(1))
    return torch.stack(effects, 1)


@checked
def localisation(maps: Tensor, masks: Tensor) -> Tensor:
    """How well maps find objects, one number each: maps (..., N) and masks (..., N)
    bool -> (...), the chance that a map is larger on a patch of the object than on a
    patch beside it (ties count half): 1/2 by chance, 1 at best, also called area under
    the ROC curve.

    Raises ValueError for a mask that is empty or covers everything.
    """
    inside = masks.sum(-1)
    if (inside == 0).any() or (inside == masks.shape[-1]).any():
        raise ValueError("a mask is empty, or the whole picture; leave such words out")
    first, second = maps[..., :, None], maps[..., None, :]
    ahead = (first > second).double() + (first == second).double() / 2
    pairs = masks[..., :, None] & ~masks[..., None, :]
    return (ahead * pairs).sum((-2, -1)) / pairs.sum((-2, -1))


@checked
def overlap(maps: Tensor, masks: Tensor, seed: int = 0) -> Tensor:
    """Intersection over union of an object's k patches with the k at which its map is
    largest: maps (..., N), masks (..., N) bool -> (...). Ties are broken at random.

    Raises ValueError for an empty mask.
    """
    k = masks.sum(-1, keepdim=True)
    if (k == 0).any():
        raise ValueError("a mask is empty; leave such words out")
    lots = torch.rand(maps.shape, generator=torch.Generator().manual_seed(seed))
    shuffled = lots.argsort(-1)
    order = maps.gather(-1, shuffled).argsort(dim=-1, descending=True, stable=True)
    places = shuffled.gather(-1, order)
    rank = torch.empty_like(places).scatter_(
        -1, places, torch.arange(maps.shape[-1]).expand_as(places)
    )
    chosen = rank < k
    return (chosen & masks).sum(-1) / (chosen | masks).sum(-1)


@checked
def patch_masks(masks: Tensor, patch: int) -> Tensor:
    """Masks of pixels (..., H, W) bool as masks of patches (..., N): True where at
    least half of the patch belongs to the object; for an object too small for that, its
    best patch.
    """
    flat = masks.flatten(0, -3)[:, None].float() if masks.ndim > 2 else masks.float()
    share = torch.nn.functional.avg_pool2d(flat.view(-1, 1, *masks.shape[-2:]), patch)
    share = share.flatten(1)
    best = share == share.amax(1, keepdim=True)
    found = (share >= 0.5) | (best & (share > 0))
    return found.view(*masks.shape[:-2], -1)
