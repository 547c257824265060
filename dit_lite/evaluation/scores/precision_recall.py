"""Are the samples plausible, and do they cover the data? Two numbers instead of one
(Kynkaanniemi et al. 1904.06991).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked
from ..inputs import feature_pair
from .neighbours import distance_blocks, radii, slack


class PrecisionRecall(NamedTuple):
    """precision: share of samples inside the data's neighbourhood; recall: share of
    data inside the samples' neighbourhood.
    """

    precision: float
    recall: float


@checked
def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of samples.

    real (n, F) and made (m, F) are features; use equally many of each, since both
    numbers depend on the counts. Raises ValueError when there are fewer than k+2 of
    either, or their features differ in size or are not finite. Source: 1904.06991 eq.
    1, 2.
    """
    return PrecisionRecall(precision(real, made, k), precision(made, real, k))


@checked
def precision(real: Tensor, made: Tensor, k: int = 3) -> float:
    """Share of samples (m, F) within the k-th-neighbour ball of at least one real image
    (n, F); with the two sets swapped it is the recall.
    """
    real, made = enough(real, made, k)
    reach = radii(real, k) + slack(real)
    return (
        torch.cat(
            [
                (distances <= reach).any(1)
                for _, distances in distance_blocks(made, real)
            ]
        )
        .double()
        .mean()
        .item()
    )


def enough(real: Tensor, made: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Features, if there are enough for neighbourhoods of k."""
    real, made = feature_pair(real, made)
    if k < 1:
        raise ValueError(f"k={k} must be at least 1; 3 is usual")
    if min(len(real), len(made)) < k + 2:
        raise ValueError(
            f"k={k} neighbours need at least {k + 2} features of each; got "
            f"{len(real)} and {len(made)}"
        )
    return real, made
