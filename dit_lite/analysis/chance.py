"""How often a partial correlation comes where nothing is at work but its covariate."""

from __future__ import annotations

import torch
from torch import Tensor

from .trends import rank_correlation


def partial_by_chance(
    cause: Tensor, share: Tensor, given: Tensor, degree: int, draws: int, seed: int = 0
) -> Tensor:
    """Partial rank correlations (draws,) of `cause` (n,) and `share` (n,), with `given`
    (n,) held fixed, where `given` alone decides the share.

    It does so by a polynomial of `degree` in the logit of the share, in (0, 1); what
    scatters about that curve is shuffled.
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
