"""Real images with one fault each: what scores should detect, and what each of them
misses.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...config import choose
from ...config.arguments import checked
from ..inputs import class_labels, image_batch, require_classes

#: A fault takes images (n, C, H, W) in [-1,1], their labels (n,) and a generator, and
#: returns the same number of both.
Fault = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


def _nothing(images, labels, generator):
    return images, labels


def _shuffled(images, labels, generator):
    return images, labels[torch.randperm(len(labels), generator=generator)]


def _noisy(images, labels, generator):
    return (images + 0.25 * torch.randn(images.shape, generator=generator)).clamp(
        -1, 1
    ), labels


def _blurred(images, labels, generator):
    """Each pixel half itself, half its eight neighbours and itself."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return (images + F.avg_pool2d(padded, 3, stride=1)) / 2, labels


def _half_the_classes(images, labels, generator):
    """Every image of the upper half of the classes is replaced by one of the lower
    half.
    """
    lower = (labels <= labels.max() // 2).nonzero()[:, 0]
    index = torch.where(
        labels <= labels.max() // 2,
        torch.arange(len(labels)),
        lower[torch.randint(len(lower), labels.shape, generator=generator)],
    )
    return images[index], labels[index]


def _one_per_class(images, labels, generator):
    """The first image of each class, repeated."""
    first = torch.stack(
        [(labels == k).nonzero()[0, 0] for k in range(int(labels.max()) + 1)]
    )
    return images[first[labels]], labels


def _class_means(images, labels, generator):
    means = torch.stack(
        [images[labels == k].mean(0) for k in range(int(labels.max()) + 1)]
    )
    return means[labels], labels


def _same_moments(images, labels, generator):
    """Gaussian images with exactly the mean and the covariance of the pixels."""
    return look_alike(images.flatten(1), generator).view_as(images).float(), labels


FAULTS: dict[str, Fault] = {
    "none": _nothing,
    "labels shuffled": _shuffled,
    "noise": _noisy,
    "blur": _blurred,
    "half of the classes": _half_the_classes,
    "one image per class": _one_per_class,
    "class means": _class_means,
    "Gaussian": _same_moments,
}


@checked
def look_alike(points: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian points (n, d) with exactly the mean and covariance of `points` (n, d),
    in float64: all that a Fréchet distance can see.

    The Gaussian draws are whitened by their own covariance first. Directions in which
    the points do not vary keep zero variance. Raises ValueError for n <= d, where the
    draws' covariance is not invertible.
    """
    n, d = points.shape
    if n <= d:
        raise ValueError(
            f"n={n} points in d={d} dimensions have no invertible covariance; "
            f"use at least {d + 1}"
        )
    points = points.double()
    centred = points - points.mean(0)
    z = torch.randn(n, d, generator=generator, dtype=torch.float64)
    z = z - z.mean(0)
    white = z @ torch.linalg.inv(torch.linalg.cholesky(z.T @ z / n)).T
    values, vectors = torch.linalg.eigh(centred.T @ centred / n)
    return points.mean(0) + white @ (vectors * values.clamp(min=0).sqrt()) @ vectors.T


@checked
def inject(
    name: str, images: Tensor, labels: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Images (n, C, H, W) in [-1,1] and labels (n,) with the named fault (see
    `FAULTS`); the same number as given.

    Raises ConfigError for an unknown name, ValueError when a class between 0 and the
    largest has no image.
    """
    choose("fault", name, FAULTS)
    labels = class_labels(labels, len(image_batch(images)))
    require_classes(torch.arange(int(labels.max()) + 1), labels, int(labels.max()) + 1)
    return FAULTS[name](images, labels, torch.Generator().manual_seed(seed))
