"""How large a batch is still worth its cost: the gradient-noise scale (McCandlish et
al. 1812.06162).

Steps and images to a fixed loss follow (S / S_min - 1)(E / E_min - 1) = 1; at the
critical batch both are twice their minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import ConfigError


@dataclass(frozen=True)
class NoiseScale:
    """Squared norm of the true gradient and trace of the covariance of one image's
    gradient, both without bias; their ratio estimates the critical batch size.
    """

    squared_norm: float
    trace: float

    @property
    def batch(self) -> float:
        """B_simple = tr(Σ) / |G|², in images (eq. 2.9); infinite where noise hides the
        gradient.
        """
        if self.squared_norm <= 0:
            return float("inf")
        return self.trace / self.squared_norm


def noise_scale(
    small: Sequence[float], large: Sequence[float], small_batch: int, large_batch: int
) -> NoiseScale:
    """The noise scale from squared norms of mean gradients over `small_batch` and
    `large_batch` images (app. A.1). On p ranks the norms before and after the
    all-reduce are such a pair, at no cost.

    Both sequences are averaged before dividing: a ratio of single estimates is biased.
    """
    if not 0 < small_batch < large_batch or not len(small) or not len(large):
        raise ConfigError(
            f"small_batch={small_batch} and large_batch={large_batch} with "
            f"{len(small)} and {len(large)} norms; give two different sizes and norms "
            "of both"
        )
    b, B = small_batch, large_batch
    s, S = sum(small) / len(small), sum(large) / len(large)
    return NoiseScale((B * S - b * s) / (B - b), (s - S) / (1 / b - 1 / B))


def gradient_noise(parts: Sequence[Sequence[Tensor]], images: int) -> NoiseScale:
    """The noise scale from the gradients of several parts of a batch, `images` each:
    the parts are the small batches, their mean the large one.
    """
    flat = torch.stack(
        [torch.cat([g.detach().flatten().double() for g in part]) for part in parts]
    )
    return noise_scale(
        flat.square().sum(1).tolist(),
        [flat.mean(0).square().sum().item()],
        images,
        images * len(parts),
    )


def steps_needed(batch: float, critical: float, least: float) -> float:
    """Steps to a given loss with batches of `batch` images, where very large ones need
    `least`: S = S_min (1 + B_crit / B) (eq. 2.7).
    """
    return least * (1 + critical / batch)


def fit_steps(batches: Sequence[float], steps: Sequence[float]) -> tuple[float, float]:
    """Critical batch and least number of steps, fitted to measured steps to one loss by
    least squares in relative error.
    """
    B = torch.tensor(batches, dtype=torch.float64)
    S = torch.tensor(steps, dtype=torch.float64)
    if len(set(batches)) < 2:
        raise ConfigError(f"batches={list(batches)}; a fit needs at least two sizes")
    A = torch.stack([torch.ones_like(B), 1 / B], 1) / S[:, None]
    least, slope = torch.linalg.lstsq(A, torch.ones(len(B), 1).double()).solution[:, 0]
    return (slope / least).item(), least.item()
