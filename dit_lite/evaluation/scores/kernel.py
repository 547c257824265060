"""The kernel distance: are two sets of features draws from one distribution?
Unbiased, so it may fall below zero.
"""

import torch
from torch import Tensor

from ...config.arguments import checked
from ..inputs import feature_pair
from .intervals import Interval, around, check_repeats


@checked
def squared_mmd(real: Tensor, made: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of features (n, d) and (m, d) under the
    kernel k(x, y) = (x.y/d + 1)^3.

    mean over pairs i != j of k(x_i, x_j) + the same for y - 2 mean k(x_i, y_j). Needs
    matrices of n^2, m^2 and n m numbers. Raises ValueError for fewer than 2 of either,
    features of different sizes, and NaN. Source: 1801.01401 sec. 4; Gretton et al. 2012
    eq. 3.
    """
    real, made = feature_pair(real, made)
    if min(len(real), len(made)) < 2:
        raise ValueError(
            "the kernel distance needs at least 2 features of each; got "
            f"{len(real)} and {len(made)}"
        )
    within = sum(
        (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))
        for k in (_kernel(real, real), _kernel(made, made))
    )
    return (within - 2 * _kernel(real, made).mean()).item()


@checked
def kernel_distance(
    real: Tensor,
    made: Tensor,
    size: int | None = None,
    subsets: int = 100,
    seed: int = 0,
) -> Interval:
    """Kernel distance (KID in Inception's features): the mean of `squared_mmd` over
    random subsets of `size` of each set.

    `size` is 1000 as in the paper, or half of the smaller set if that is less. The
    estimate is unbiased at any size. The deviation over subsets, which the literature
    prints, is for `size` images, not for all n; the interval rescales it by sqrt(size /
    (n - size)), with n the size of the smaller set (see `half_samples`). Raises
    ValueError for a size above half of a set, fewer than 2 features per subset, and
    where `squared_mmd` does. Source: 1801.01401.
    """
    real, made = feature_pair(real, made)
    n = min(len(real), len(made))
    size = min(1000, n // 2) if size is None else size
    if not 2 <= size <= n // 2:
        raise ValueError(
            f"size={size} must be at least 2 and at most half of the smaller "
            f"set, n={n}; leave it out for min(1000, n/2)"
        )
    check_repeats(subsets, "subsets")
    generator = torch.Generator().manual_seed(seed)

    def some(features: Tensor) -> Tensor:
        return features[
            torch.randperm(len(features), generator=generator)[:size].to(
                features.device
            )
        ]

    values = [squared_mmd(some(real), some(made)) for _ in range(subsets)]
    mean = torch.tensor(values, dtype=torch.float64).mean().item()
    return around(mean, values, (size / (n - size)) ** 0.5, "subsets")


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
