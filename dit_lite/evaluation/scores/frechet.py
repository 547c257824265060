"""The Fréchet distance: how far apart are two sets of features, judging by their means
and covariances?
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked
from ..inputs import feature_pair


class Gaussian(NamedTuple):
    """What the Fréchet distance keeps of a set of features: mean (d,), covariance (d,
    d), both float64, and the number of images.
    """

    mean: Tensor
    covariance: Tensor
    count: int


@checked
def gaussian(features: Tensor) -> Gaussian:
    """Mean and unbiased covariance of features (n, d), d numbers per image.

    Raises ValueError for n <= d. The covariance of so few images has rank below d: the
    distance then depends more on how many images there are than on what they show (on a
    64-dimensional normal distribution, 65 samples against the truth score 20 instead of
    0). A warning would be overlooked in a table, hence the error.
    """
    features, _ = feature_pair(features, features)
    n, d = features.shape
    if n <= d:
        raise ValueError(
            f"n={n} images are too few for the Fréchet distance in d={d} "
            "features: their covariance is singular, and the distance "
            f"would measure the count; use at least {d + 1} images, better "
            f"{10 * d}, or kernel_distance, which is unbiased at any count"
        )
    mean = features.mean(0)
    centred = features - mean
    return Gaussian(mean, centred.T @ centred / (n - 1), n)


@checked
def frechet_between(a: Gaussian, b: Gaussian) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), in squared units of the
    features; 0 for equal moments.

    The trace of the root is the sum of the singular values of C_a^(1/2) C_b^(1/2), so
    only symmetric matrices are decomposed and no imaginary part has to be discarded.
    Raises ValueError when the two have different dimensions. Source: 1706.08500 eq. 6;
    Dowson and Landau 1982.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"statistics with d={len(a.mean)} and d={len(b.mean)} features; use the "
            "same extractor for both"
        )
    roots = (
        a.covariance.trace()
        + b.covariance.trace()
        - 2 * torch.linalg.svdvals(_root(a.covariance) @ _root(b.covariance)).sum()
    ).item()
    return max(0.0, (a.mean - b.mean).square().sum().item() + roots)


@checked
def frechet_distance(real: Tensor | Gaussian, made: Tensor | Gaussian) -> float:
    """Fréchet distance between two sets of features (n, d) and (m, d), or the moments
    of a set; it is called FID only in Inception's features.

    Biased upwards by about c/n, where c depends on the model (1911.07023): compare at
    equal counts, or see `at_infinity`. Raises ValueError for n <= d or m <= d, features
    of different sizes, and NaN.
    """
    if isinstance(real, Tensor) and isinstance(made, Tensor):
        real, made = feature_pair(real, made)
    return frechet_between(
        *(
            given if isinstance(given, Gaussian) else gaussian(given)
            for given in (real, made)
        )
    )


def _root(matrix: Tensor) -> Tensor:
    """The symmetric root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
