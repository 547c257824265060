"""An attention map in one number per query: how spread out it is, how far it looks."""

import torch
from torch import Tensor

from ..config.arguments import checked


def _check(weights: Tensor) -> Tensor:
    if (
        weights.ndim < 2
        or (weights < 0).any()
        or not torch.allclose(
            weights.sum(-1), torch.ones((), dtype=weights.dtype), atol=1e-3
        )
    ):
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} are not an attention map: rows "
            "must be non-negative and sum to 1 (see record_attention)"
        )
    return weights.double()


@checked
def entropy(weights: Tensor) -> Tensor:
    """Entropy of each row in nats: weights (..., N, M) -> (..., N), from 0 (one token)
    to log M (uniform). Raises ValueError for other input.
    """
    weights = _check(weights)
    return torch.special.entr(weights).sum(-1)


@checked
def mean_distance(weights: Tensor) -> Tensor:
    """How far a query looks, in patches: the mean distance from query to key, weighted
    by attention.

    weights (..., N, N) over a square grid -> (..., N). Raises ValueError when N is not
    a square number. Source: ViT (2010.11929) app. D.7.
    """
    weights = _check(weights)
    grid = round(weights.shape[-1] ** 0.5)
    if grid * grid != weights.shape[-1] or weights.shape[-2] != weights.shape[-1]:
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} do not belong to a square grid "
            "of tokens; first drop tokens that are not patches"
        )
    axis = torch.arange(grid, dtype=torch.float64, device=weights.device)
    place = torch.cartesian_prod(axis, axis)
    return (weights * torch.cdist(place, place)).sum(-1)
