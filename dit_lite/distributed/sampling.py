"""Images on many devices: the batches of one process dealt out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..diffusion.sampling import sample
from ..model.inputs import read_condition


def sample_together(
    model: nn.Module,
    labels: Sequence[int] | Tensor,
    *arguments,
    batch_size: int = 500,
    progress: bool = False,
    **options,
) -> Tensor:
    """The images of `dit_lite.sample`, on every rank; each makes every p-th batch.

    Arguments and errors as in `sample`.
    """
    config, rank, ranks = model.config, dist.get_rank(), dist.get_world_size()
    parts = read_condition(config, labels).split(batch_size)
    device = next(model.parameters()).device
    shape = (config.channels, config.image_size, config.image_size)
    made: list[Tensor] = []
    for i, part in enumerate(parts):
        if i % ranks == rank:
            images = sample(
                model, part, *arguments, batch_size=batch_size, first=i * batch_size,
                progress=progress, **options,
            )  # fmt: skip
        else:
            images = torch.empty(len(part), *shape, device=device)
        made.append(images)
    for i, images in enumerate(made):
        dist.broadcast(images, i % ranks)
    return torch.cat(made)
