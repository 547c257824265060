"""Is the image of the class that was asked for?"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def class_accuracy(
    judge: nn.Module, images: Tensor, labels: Tensor, num_classes: int
) -> tuple[float, Tensor]:
    """Share of images that the judge puts into the class they were made for, over all
    and by class.

    images (n, C, H, W) in [-1,1], labels (n,) -> a float, and (K,) with NaN for a class
    that was not asked for.
    """
    right = (judge(images).argmax(1) == labels).float()
    count = torch.bincount(labels, minlength=num_classes)
    return right.mean().item(), torch.bincount(
        labels, right, minlength=num_classes
    ) / count
