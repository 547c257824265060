"""The Inception score: does each image show a clear class, and are all classes present?
It never looks at real images.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked
from ..inputs import class_probabilities


class InceptionScore(NamedTuple):
    """`value` and `deviation`: mean and standard deviation over splits, as the
    literature prints them.
    """

    value: float
    deviation: float


@checked
def inception_score(
    probabilities: Tensor, splits: int = 1, seed: int = 0
) -> InceptionScore:
    """exp of the mean KL(p(y|x), p(y)), in [1, K], from class probabilities (n, K) of
    generated images.

    One image per class scores K however often it is repeated (1801.01973), and so does
    a set whose labels are right but whose images are not. The images are shuffled
    before they are split, since splits of images in the order of their classes would
    score near 1. Tables in the literature use 10 splits of 5,000, each of which is
    biased downwards; one split with an interval from `half_samples` is more
    informative. Raises ValueError for rows that are not distributions, or fewer than 2
    images per split. Source: 1606.03498 sec. 4.
    """
    p = class_probabilities(probabilities)
    if splits < 1 or len(p) < 2 * splits:
        raise ValueError(
            f"splits={splits} of n={len(p)} images leave fewer than 2 per split; use "
            f"between 1 and {max(1, len(p) // 2)} splits"
        )
    order = torch.randperm(len(p), generator=torch.Generator().manual_seed(seed)).to(
        p.device
    )
    scores = torch.stack([_score(part) for part in p[order].tensor_split(splits)])
    return InceptionScore(scores.mean().item(), scores.std(correction=0).item())


def _score(p: Tensor) -> Tensor:
    """exp(H(y) - H(y|x)), which is the same and needs no logarithm of 0."""
    marginal = p.mean(0)
    return (
        torch.special.entr(marginal).sum() - torch.special.entr(p).sum(1).mean()
    ).exp()
