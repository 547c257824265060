"""What a search for copies would have found: training images changed in known ways, and
the share of them that each rule detects.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...config.arguments import checked
from .faults import FAULTS
from .memorisation import COPY, memorisation

#: What the two look at: images (n, C, H, W) -> rows of features, or images.
Eyes = Callable[[Tensor], Tensor]


def _noise(deviation: float):
    def add(images: Tensor, generator: torch.Generator) -> Tensor:
        return images + deviation * torch.randn(images.shape, generator=generator)

    return add


def _contrast(factor: float):
    """Brightness above black times a factor."""
    return lambda images, generator: (images + 1) * factor - 1


#: name -> how a copied training image was changed
ALTERATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "none": lambda images, generator: images,
    "noise 0.05": _noise(0.05),
    "noise 0.1": _noise(0.1),
    "noise 0.2": _noise(0.2),
    "contrast 0.9": _contrast(0.9),
    "contrast 0.8": _contrast(0.8),
    "blur": lambda images, generator: FAULTS["blur"](images, None, generator)[0],
    "shift by a pixel": lambda images, generator: images.roll(1, -1),
}


def normalised(images: Tensor) -> Tensor:
    """Each image (n, ...) minus its mean and divided by its norm, so that brightness
    and contrast no longer count: (n, d).
    """
    rows = images.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)


@checked
def found_by_ratio(made: Tensor, train: Tensor) -> Tensor:
    """Whether each sample's distance to its nearest training image is less than a third
    of its distance to the second nearest: (n,) bool. Source: Yoon et al. 2023;
    2310.02664.
    """
    return memorisation(made, train).ratio < COPY


@checked
def found_by_distance(made: Tensor, train: Tensor, held: Tensor) -> Tensor:
    """Whether each sample is nearer to a training image than all but one in a hundred
    of the `held` images, which the model never saw: (n,) bool.
    """
    limit = memorisation(held, train).distance.quantile(0.01)
    return memorisation(made, train).distance < limit


def copy_power(
    find: Callable[[Tensor, Tensor], Tensor],
    train: Tensor,
    see: Eyes = lambda images: images,
    count: int = 400,
    seed: int = 0,
    twice: bool = False,
) -> dict[str, float]:
    """The share of altered training images that a rule finds, by alteration.

    `find(made, train)` -> (n,) bool; both arguments pass through `see`. `count` of the
    images train (m, C, H, W), drawn by `seed`, are altered; with `twice` each of them
    is in the training set twice.
    """
    generator = torch.Generator().manual_seed(seed)
    some = train[torch.randperm(len(train), generator=generator)[:count]]
    seen = see(torch.cat([train, some]) if twice else train)
    return {
        name: find(see(alter(some, generator)), seen).double().mean().item()
        for name, alter in ALTERATIONS.items()
    }


def share_at_most(count: int, power: float = 1.0, confidence: float = 0.95) -> float:
    """The largest share of copies that finding none among `count` samples leaves
    possible, when the search finds a copy with probability `power`.

    The exact form of the rule of three (Hanley & Lippman-Hand 1983, JAMA 249:1743).
    Raises ValueError for a power of 0, which bounds nothing.
    """
    if not 0 < power <= 1:
        raise ValueError(
            f"power={power} must be above 0 and at most 1: a search that finds no copy "
            "says nothing about their number"
        )
    return min(1.0, (1 - (1 - confidence) ** (1 / count)) / power)
