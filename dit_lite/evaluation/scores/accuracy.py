"""Is the image of the class that was asked for?"""

import torch
from torch import Tensor, nn

from ...config.arguments import checked
from ...config.fields import Whole
from ..inputs import class_labels


@checked
@torch.no_grad()
def class_accuracy(
    judge: nn.Module, images: Tensor, labels: Tensor, num_classes: int
) -> tuple[float, Tensor]:
    """Share of images that the judge assigns to the class they were made for, overall
    and by class.

    images (n, C, H, W) in [-1,1], labels (n,) -> a float, and (K,) with NaN for a class
    without labels.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; pass floats in "
            "[-1,1], (n, C, H, W)"
        )
    labels = class_labels(labels, len(images), Whole(1)("num_classes", num_classes))
    right = (judge(images).argmax(1) == labels).float()
    count = torch.bincount(labels, minlength=num_classes)
    return right.mean().item(), torch.bincount(
        labels, right, minlength=num_classes
    ) / count
