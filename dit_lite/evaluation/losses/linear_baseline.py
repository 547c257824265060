"""What a linear denoiser can do at each noise level: the baseline for what a network
has learned beyond means and correlations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...config import DiTConfig
from ...config.arguments import checked
from ...data import Dataset
from ...diffusion import LinearDenoiser
from .validation import validation_loss


@checked
def linear_loss_by_time(
    images: Tensor,
    labels: Tensor | None,
    held_out: Dataset,
    config: DiTConfig,
    bins: int = 10,
) -> Tensor:
    """Held-out loss (bins,) in equal intervals of t of the best linear denoiser for
    training `images` (n, C, H, W), in the units of a model with this `config`.

    With `labels` (n,) there is a denoiser for each class, fitted to the images of that
    class alone. The triples of image, time and noise are those of
    `validation_loss(repeats=1)`.
    """
    group = torch.zeros(len(images), dtype=torch.long) if labels is None else labels
    asked = torch.from_numpy(held_out.labels) if labels is not None else None
    own = torch.zeros(len(held_out.images))
    for k in group.unique().tolist():
        denoiser = LinearDenoiser(images[group == k], config)
        t, loss = validation_loss(denoiser, held_out, repeats=1)
        here = torch.ones_like(own, dtype=torch.bool) if asked is None else asked == k
        own[here] = loss[here]
    fine = torch.stack(
        [own[(t * 2 * bins).long() == i].mean() for i in range(2 * bins)]
    )
    return fine.view(bins, 2).mean(1)
