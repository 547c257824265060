"""Density and coverage: precision and recall that one outlier cannot spoil (Naeem et
al. 2002.09797).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked
from .neighbours import distance_blocks, nearest, radii, slack
from .precision_recall import enough


class DensityCoverage(NamedTuple):
    """density: how many of the data's neighbourhoods contain a sample, divided by k,
    about 1 for real images and higher in dense regions; coverage: share of the data
    with a sample in its neighbourhood.
    """

    density: float
    coverage: float


@checked
def density_coverage(real: Tensor, made: Tensor, k: int = 5) -> DensityCoverage:
    """Density and coverage of samples; both use only the data's neighbourhoods, so
    outlying samples do not enlarge them.

    real (n, F), made (m, F). Raises ValueError as `precision_recall` does. Source:
    2002.09797 eq. 3, 4, with k = 5 as recommended there.
    """
    real, made = enough(real, made, k)
    radius, near = radii(real, k), slack(real)
    hits = torch.cat(
        [
            (distances <= radius + near).sum(1)
            for _, distances in distance_blocks(made, real)
        ]
    )
    covered = nearest(real, made).distance[:, 0] <= radius + near
    return DensityCoverage(
        hits.double().mean().item() / k, covered.double().mean().item()
    )
