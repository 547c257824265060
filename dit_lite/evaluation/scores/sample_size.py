"""How does a score depend on the number of samples, and what would it be with
infinitely many?
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked
from .intervals import rows_of


class Curve(NamedTuple):
    """Scores by number of samples: `counts` (P,), `mean` (P,) and `deviation` (P,)
    over repeated draws.
    """

    counts: Tensor
    mean: Tensor
    deviation: Tensor


class Extrapolation(NamedTuple):
    """score(n) = value + slope/n, and the root mean squared distance of the curve
    from that line, in units of the score.
    """

    value: float
    slope: float
    residual: float


@checked
def sample_size_curve(
    statistic: Callable[..., float],
    *samples: Tensor,
    counts: Sequence[int] | None = None,
    repeats: int = 1,
    seed: int = 0,
) -> Curve:
    """A score on random subsets of increasing size, drawn without replacement.

    samples: arrays (n, ...) whose rows belong together; `statistic(*samples)` is a
    float. counts: 15 equal steps from n/10 to n if None, as in 1911.07023 (5,000 to
    50,000). Raises ValueError for arrays of different lengths, or a count below 1 or
    above n.
    """
    n = rows_of(samples)
    counts = (
        torch.linspace(n / 10, n, 15).round().long().tolist()
        if counts is None
        else list(counts)
    )
    if wrong := [count for count in counts if not 1 <= count <= n]:
        raise ValueError(
            f"counts={wrong[0]} must lie between 1 and the {n} samples there are"
        )
    if repeats < 1:
        raise ValueError(f"repeats={repeats} must be at least 1")
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int) -> float:
        index = torch.randperm(n, generator=generator)[:count]
        return statistic(*(part[index.to(part.device)] for part in samples))

    scores = torch.tensor(
        [[draw(count) for _ in range(repeats)] for count in counts], dtype=torch.float64
    )
    return Curve(torch.tensor(counts), scores.mean(1), scores.std(1, correction=0))


def at_infinity(curve: Curve) -> Extrapolation:
    """The score of infinitely many samples: where the straight line through score
    against 1/n meets 1/n = 0.

    For the Fréchet distance this is FID_infinity. It removes the bias due to the
    generated set; the reference's bias stays. Unbiased scores give a level line. Raises
    ValueError for fewer than 3 different counts. Source: 1911.07023 sec. 3, 4.1, with
    ordinary random draws.
    """
    if len(curve.counts.unique()) < 3:
        raise ValueError(
            f"a line through {len(curve.counts.unique())} counts says nothing "
            "about infinity; use at least 3, better 15"
        )
    # (P, 2)
    design = torch.stack([torch.ones_like(curve.mean), 1 / curve.counts.double()], 1)
    value, slope = (
        torch.linalg.lstsq(design, curve.mean[:, None]).solution[:, 0].tolist()
    )
    residual = (curve.mean - value - slope / curve.counts).square().mean().sqrt().item()
    return Extrapolation(value, slope, residual)


@checked
def halves(*samples: Tensor, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """Two random halves of arrays (n, ...) whose rows belong together, equal in size:
    the first stands in for the data, the second for samples.

    Their score is the row "real against real"; samples as good as real images score
    near it at that count, above or below.
    """
    n = rows_of(samples)
    if n < 2:
        raise ValueError("samples have 1 row; two halves need at least 2")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    first, second = (
        [part[some.to(part.device)] for part in samples]
        for some in (order[: n // 2], order[n // 2 : n // 2 * 2])
    )
    return first, second
