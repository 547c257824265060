"""Are the samples plausible, and do they cover the data? Two numbers instead of one (Kynkaanniemi et al. 1904.06991)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PrecisionRecall(NamedTuple):
    """precision: share of samples inside the data's neighbourhood; recall: share of data inside the samples' neighbourhood."""

    precision: float
    recall: float


def _inside(points: Tensor, of: Tensor, k: int) -> float:
    """Share of `points` within the k-th-neighbour ball of at least one point of `of`."""
    radius = torch.cdist(of, of).kthvalue(k + 1, dim=1).values  # the nearest neighbour of a point is itself
    return (torch.cdist(points, of) <= radius).any(1).float().mean().item()


def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of samples.

    real (n, F) and made (m, F) are features; use as many of each, since both numbers depend on the counts. Raises ValueError when there
    are fewer than k+2 of either, or their features differ in size or are not finite. Source: 1904.06991 eq. 1, 2.
    """
    if real.ndim != 2 or made.ndim != 2 or real.shape[1] != made.shape[1]:
        raise ValueError(f"features have shapes {tuple(real.shape)} and {tuple(made.shape)}; expected (n, F) and (m, F) of one extractor")
    if k < 1:
        raise ValueError(f"k={k} must be at least 1; 3 is usual")
    if min(len(real), len(made)) < k + 2:
        raise ValueError(f"k={k} neighbours need at least {k + 2} features of each; got {len(real)} and {len(made)}")
    real, made = real.double(), made.double()
    if not (real.isfinite().all() and made.isfinite().all()):
        raise ValueError("features hold NaN or infinity; look at the images they were taken from")
    return PrecisionRecall(_inside(made, real, k), _inside(real, made, k))
