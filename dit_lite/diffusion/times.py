"""Which noise levels a batch trains on, and which a sampler visits."""

from __future__ import annotations

import torch
from torch import Tensor

from .paths import Path


def _uniform(u: Tensor) -> Tensor:
    return u


def _logit_normal(u: Tensor) -> Tensor:
    return torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6)).sigmoid()


#: name -> map from uniform numbers to t. "logit_normal" prefers the middle (SD3,
#: 2403.03206 sec. 3.1).
TIMES = {"uniform": _uniform, "logit_normal": _logit_normal}


def draw_times(name: str, batch: int, generator: torch.Generator) -> Tensor:
    """Noise levels t (B,) in [0,1] for a batch, one from each of B equal slices of
    probability.

    The slices make the mean loss of a batch less noisy than independent draws, without
    changing its expectation (2107.00630 app. I.1).
    """
    device = generator.device
    offset = torch.rand(1, generator=generator, device=device)
    return TIMES[name]((offset + torch.arange(batch, device=device) / batch) % 1)


def time_grid(first: float, last: float, steps: int) -> Tensor:
    """The steps+1 equally spaced times that a sampler visits, from noise to image,
    float64.
    """
    return torch.linspace(first, last, steps + 1, dtype=torch.float64)


def at_ratio(path: Path, log_snr: Tensor) -> Tensor:
    """The times at which a path has these log(a^2/s^2): (B,) -> (B,), float64; an end
    of the path for a ratio that lies beyond it.

    On every path the ratio falls from image to noise, so halving finds the one time.
    """
    low, high = (
        torch.full_like(log_snr, end, dtype=torch.float64) for end in (path.last, 1.0)
    )
    for _ in range(45):
        middle = (low + high) / 2
        cleaner = path.log_snr(middle) > log_snr
        low, high = (
            torch.where(cleaner, middle, low),
            torch.where(cleaner, high, middle),
        )
    return (low + high) / 2
