"""How certain is a score? Intervals from resampling, and why resampling must not repeat
an image when a score compares images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...config.arguments import checked

LEVEL = 0.95  # of confidence


@dataclass(frozen=True)
class Interval:
    """A score with the range that its sampling error leaves: `value` from all
    samples, `low` to `high` at confidence `level`, and how.
    """

    value: float
    low: float
    high: float
    level: float = LEVEL
    method: str = "bootstrap"

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@checked
def bootstrap(
    statistic: Callable[..., float],
    *samples: Tensor,
    repeats: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a mean over images, such as an accuracy: draw n of n rows
    with replacement and look at the spread.

    samples: arrays (n, ...) whose rows belong together (features and labels);
    `statistic(*samples)` is a float. What should stay fixed, such as the reference, is
    not among them.

    Not for distances between sets. A resample holds only 63 % of the images, some
    several times, so the resampled Fréchet distance carries its bias of c/n twice: with
    400 samples of a 16-dimensional normal distribution against 400 others, the interval
    lies entirely above the estimate, and in none of 100 trials did it contain the
    expected score, which `half_samples` contained each time. Kernel distances count the
    copies as coincidences, and the neighbourhoods of copies have radius 0. Use
    `half_samples` for these. Raises ValueError for arrays of different lengths, or too
    few repeats. Source: Efron 1979.
    """
    rows = rows_of(samples)
    check_repeats(repeats)
    generator = torch.Generator().manual_seed(seed)
    values = [
        statistic(*_take(samples, torch.randint(rows, (rows,), generator=generator)))
        for _ in range(repeats)
    ]
    return Interval(statistic(*samples), *_quantiles(values))


@checked
def half_samples(
    statistic: Callable[..., float], *samples: Tensor, repeats: int = 100, seed: int = 0
) -> Interval:
    """Interval of any score: draw n/2 of n rows without replacement, and centre the
    spread of the draws on the estimate.

    No image occurs twice, and each half has the variance s^2 (1/m - 1/n) = s^2/n around
    the whole (m = n/2), exactly the variance of the estimate itself, so nothing is
    rescaled. A half has more bias than the whole; centring the draws on the estimate
    removes it. The interval is for the score at this number of samples: it does not
    contain the score at infinity when the bias is larger than the spread. Arguments and
    errors as in `bootstrap`; a statistic that needs more samples raises its own error.
    Source: Politis and Romano 1994; Babu 1992.
    """
    rows = rows_of(samples)
    check_repeats(repeats)
    if rows < 4:
        raise ValueError(
            f"n={rows} samples cannot be halved into two sets worth comparing; "
            "use at least 4, and hundreds for an interval to mean much"
        )
    value, m = statistic(*samples), rows // 2
    generator = torch.Generator().manual_seed(seed)
    try:
        values = [
            statistic(*_take(samples, torch.randperm(rows, generator=generator)[:m]))
            for _ in range(repeats)
        ]
    except ValueError as error:
        raise ValueError(
            f"an interval draws half of the n={rows} samples, and half are not enough: "
            f"{error}"
        ) from None
    return around(value, values, (m / (rows - m)) ** 0.5, "half samples")


@checked
def share(right: Tensor) -> Interval:
    """Interval of a share such as an accuracy, from right (n,) of 0 and 1: Wilson's,
    since no resample of 100 right answers contains a wrong one.

    Raises ValueError for no answers. Source: Wilson 1927.
    """
    n, value = rows_of((right,)), right.double().mean().item()
    z2 = (
        torch.special.ndtri(torch.tensor((1 + LEVEL) / 2, dtype=torch.float64)).item()
        ** 2
    )
    centre, reach = (
        value + z2 / (2 * n),
        (z2 * (value * (1 - value) + z2 / (4 * n)) / n) ** 0.5,
    )
    return Interval(
        value,
        min(value, (centre - reach) / (1 + z2 / n)),
        max(value, (centre + reach) / (1 + z2 / n)),
        method="Wilson",
    )


def around(value: float, draws: list[float], scale: float, method: str) -> Interval:
    """The interval of an estimate `value`, from the deviations of `draws` from their
    mean, times `scale`.
    """
    draws = torch.tensor(draws, dtype=torch.float64)
    low, high = _quantiles(((draws - draws.mean()) * scale + value).tolist())
    return Interval(value, min(low, value), max(high, value), method=method)


def _quantiles(values: list[float]) -> tuple[float, float]:
    edges = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    return tuple(torch.tensor(values, dtype=torch.float64).quantile(edges).tolist())


def _take(samples: tuple[Tensor, ...], index: Tensor) -> list[Tensor]:
    return [part[index.to(part.device)] for part in samples]


def check_repeats(repeats: int, name: str = "repeats") -> None:
    """Raise ValueError for too few draws to show a level of LEVEL."""
    if repeats * (1 - LEVEL) < 1:
        raise ValueError(
            f"{name}={repeats} are too few for level={LEVEL}; use at least "
            f"{round(1 / (1 - LEVEL))}"
        )


def rows_of(samples: Sequence[Tensor]) -> int:
    """The common number of rows of arrays; raises ValueError where there is none."""
    lengths = [len(part) for part in samples]
    if len({*lengths}) != 1 or 0 in lengths:
        raise ValueError(
            f"samples have {', '.join(map(str, lengths)) or 'no'} rows; expected "
            "arrays of one length, at least 1"
        )
    return lengths[0]
