"""Exact nearest neighbours in a bounded amount of memory: the basis of precision and
recall, density and coverage, and memorisation.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked
from ..inputs import feature_pair

#: Distances held at a time; 16 million float64 numbers are 128 MB.
AT_ONCE = 2**24


class Neighbours(NamedTuple):
    """The nearest first: `distance` (n, k) float64, `index` (n, k) into the set that
    was searched.
    """

    distance: Tensor
    index: Tensor


@checked
def nearest(points: Tensor, of: Tensor, k: int = 1) -> Neighbours:
    """The k nearest of `of` (m, d) to each of `points` (n, d), by Euclidean distance in
    units of the features; every pair is compared.

    The distances to the neighbours found are recomputed by subtraction, so that a copy
    has distance 0. Neighbours whose distances agree to 8 digits may swap places. Raises
    ValueError for k above m, sizes that differ, and NaN.
    """
    of, points = feature_pair(of, points)
    if not 1 <= k <= len(of):
        raise ValueError(
            f"k={k} must be at least 1 and at most {len(of)}, the number of possible "
            "neighbours"
        )
    found = []
    for rows, distances in distance_blocks(points, of):
        index = distances.topk(k, dim=1, largest=False).indices
        exact = torch.stack([(rows - of[index[:, i]]).norm(dim=1) for i in range(k)], 1)
        order = exact.argsort(dim=1, stable=True)
        found.append((exact.gather(1, order), index.gather(1, order)))
    return Neighbours(*map(torch.cat, zip(*found, strict=True)))


def distance_blocks(points: Tensor, of: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Some rows of `points` (b, d) and their distances (b, m) to all of `of`, block
    by block, never more than `AT_ONCE` numbers.
    """
    centre = of.mean(0)  # far from the origin, x.x + y.y - 2 x.y loses digits
    for rows in points.split(max(1, AT_ONCE // len(of))):
        yield rows, torch.cdist(rows - centre, of - centre)


def radii(of: Tensor, k: int) -> Tensor:
    """The distance from each of `of` (m, d) to its k-th nearest among the others, (m,):
    the radius of its neighbourhood.
    """
    return nearest(of, of, k + 1).distance[:, -1]  # the first is the point itself


def slack(of: Tensor) -> float:
    """The rounding error of a distance in `distance_blocks`, so that a copy counts
    as inside a neighbourhood of radius 0.
    """
    return 1e-7 * (of - of.mean(0)).norm(dim=1).max().item()
