"""Has the model learned to generate, or memorised its training images? Each sample next
to its nearest training image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...config.arguments import checked
from .neighbours import nearest

#: A sample this much nearer to one training image than to the next counts as a copy
#: (2310.02664).
COPY = 1 / 3


@dataclass(frozen=True)
class Memorisation:
    """Nearest training images of samples: `index` (n,) and `distance` (n,), `ratio`
    (n,) of the first distance to the second.
    """

    index: Tensor
    distance: Tensor
    ratio: Tensor

    @property
    def copies(self) -> float:
        """Share of samples whose nearest training image is less than a third as far
        away as the second nearest.
        """
        return (self.ratio < COPY).double().mean().item()

    @property
    def median(self) -> float:
        """Median distance to the nearest training image, in units of the features."""
        return self.distance.median().item()


@checked
def memorisation(made: Tensor, train: Tensor) -> Memorisation:
    """Look up each sample among all training images, in pixels or in features: arrays
    (n, ...) and (m, ...), flattened to rows.

    Real images that the model has not seen give the scale: call it with those as `made`
    and compare. A training image that occurs twice hides its copies from the ratio, not
    from the distance. Raises ValueError for fewer than 2 training images, shapes that
    differ, and NaN. Source: 2310.02664 (the ratio), 2301.13188.
    """
    made, train = torch.as_tensor(made), torch.as_tensor(train)
    if made.shape[1:] != train.shape[1:] or made.ndim < 2:
        raise ValueError(
            f"samples {tuple(made.shape)} and training images "
            f"{tuple(train.shape)} differ in shape; use both in pixels or both "
            "in features"
        )
    found = nearest(made.flatten(1), train.flatten(1), 2)
    first, second = found.distance.unbind(1)
    return Memorisation(
        found.index[:, 0],
        first,
        torch.where(second > 0, first / second, torch.ones_like(first)),
    )
