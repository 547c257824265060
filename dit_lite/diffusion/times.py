"""Which noise levels a batch trains on, and which a sampler visits."""

import math
from collections.abc import Callable

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


def _equal(path: Path, first: float, steps: int) -> Tensor:
    return time_grid(first, path.last, steps)


def _equal_log_snr(path: Path, first: float, steps: int) -> Tensor:
    """All steps but the last are equal in log(a^2/s^2), which rises from its value at
    `first` to the negative of that; the last, to the image, would be infinite.
    """
    start = path.log_snr(torch.tensor(first, dtype=torch.float64)).item()
    if not -math.inf < start < 0:
        raise ValueError(
            f"spacing='log_snr' cannot start at t={first:g}, where log(a^2/s^2) is "
            f"{start:g}; start where there is more noise than image, but not noise "
            "alone, for example start=0.999"
        )
    log_snr = torch.linspace(start, -start, steps, dtype=torch.float64)
    ends = torch.tensor([first, path.last], dtype=torch.float64)
    return torch.cat([ends[:1], at_ratio(path, log_snr[1:]), ends[1:]])


#: name -> times (S+1,) of S steps from `first` to the end of a path: equal in t, or in
#: the logarithm of the signal-to-noise ratio (2206.00927 sec. 3.4)
SPACINGS: dict[str, Callable[[Path, float, int], Tensor]] = {
    "equal": _equal,
    "log_snr": _equal_log_snr,
}


def at_ratio(path: Path, log_snr: Tensor) -> Tensor:
    """The times at which a path has these log(a^2/s^2): (B,) -> (B,), float64; the end
    of the path for a ratio beyond it.

    On every path the ratio falls from image to noise, so bisection finds the one time.
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
