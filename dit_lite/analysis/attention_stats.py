"""What an attention map says in one number a query: how spread out it is, and how
far it looks.
"""

from __future__ import annotations

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
            f"weights of shape {tuple(weights.shape)} are no attention map: rows "
            "must be non-negative and sum to 1 (see record_attention)"
        )
    return weights.double()


@checked
def entropy(weights: Tensor) -> Tensor:
    """Entropy of each row in nats: weights (..., N, M) -> (..., N), from 0 (one
    token) to log M (all alike). Raises ValueError for other input.
    """
    weights = _check(weights)
    return torch.special.entr(weights).sum(-1)


@checked
def effective_support(weights: Tensor) -> Tensor:
    """Number of tokens that a row is worth, exp(entropy): weights (..., N, M) ->
    (..., N), from 1 to M.
    """
    return entropy(weights).exp()


@checked
def mean_distance(weights: Tensor) -> Tensor:
    """How far a query looks, in patches: the mean over keys of the distance between the
    two places, weighted by attention.

    weights (..., N, N) over a square grid -> (..., N). Raises ValueError when N is no
    square. Source: ViT (2010.11929) app. D.7.
    """
    weights = _check(weights)
    grid = round(weights.shape[-1] ** 0.5)
    if grid * grid != weights.shape[-1] or weights.shape[-2] != weights.shape[-1]:
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} do not belong to a square "
            "grid of tokens; drop tokens that are no patches first"
        )
    axis = torch.arange(grid, dtype=torch.float64, device=weights.device)
    place = torch.cartesian_prod(axis, axis)
    return (weights * torch.cdist(place, place)).sum(-1)
