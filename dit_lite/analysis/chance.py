"""How often chance alone gives a result: seeds that agree, a partial correlation."""

import torch
from torch import Tensor

from .trends import rank_correlation


def partial_by_chance(
    cause: Tensor, share: Tensor, given: Tensor, degree: int, draws: int, seed: int = 0
) -> Tensor:
    """Partial rank correlations (draws,) of `cause` (n,) and `share` (n,), with `given`
    (n,) held fixed, where `given` alone decides the share.

    The dependence is a polynomial of `degree` fitted to the logit of the share, in (0,
    1); the residuals about that curve are shuffled.
    """
    cause, share, given = (v.double() for v in (cause, share, given))
    x = (given - given.mean()) / given.std()
    design = torch.stack([x**k for k in range(degree + 1)], 1)
    logit = share.logit()
    fit = design @ torch.linalg.lstsq(design, logit[:, None]).solution[:, 0]
    rest, generator = logit - fit, torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(rest), generator=generator) for _ in range(draws)]
    return torch.tensor(
        [rank_correlation(cause, (fit + rest[i]).sigmoid(), given) for i in orders]
    )


def agree_by_chance(seeds: int, directions: int = 1) -> float:
    """How often all `seeds` point the same way in at least one of `directions`
    independent comparisons without any effect.

    The seeds of a comparison are fair coins whose direction was not predicted: they
    agree with probability 2^(1 - seeds), the two-sided sign test. Raises ValueError for
    fewer than 1 of either.
    """
    if seeds < 1 or directions < 1:
        raise ValueError(f"seeds={seeds} and directions={directions}; use 1 or more")
    return 1 - (1 - 2 ** (1 - seeds)) ** directions
