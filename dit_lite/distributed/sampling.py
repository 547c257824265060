"""Sampling on many devices: the batches of one process are divided among them, and
guidance's two predictions are computed at the same time.
"""

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
    """The images of `dit_lite.sample`, on every rank; each rank makes every p-th batch.

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


class Halves(nn.Module):
    """A model whose batches are split over a group: with guidance one of two ranks
    predicts with the condition, the other without it. All ranks get all predictions.

    `sample` and `Denoiser` accept it in place of the model it wraps. Batches that do
    not divide are computed whole on every rank.
    """

    def __init__(self, model: nn.Module, group: dist.ProcessGroup | None = None):
        super().__init__()
        self.module, self.config, self.group = model, model.config, group
        self.rank, self.ranks = dist.get_rank(group), dist.get_world_size(group)

    @torch.no_grad()
    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        if len(x) % self.ranks:
            return self.module(x, t, y)
        own = self.module(*(value.chunk(self.ranks)[self.rank] for value in (x, t, y)))
        answers = [torch.empty_like(own) for _ in range(self.ranks)]
        dist.all_gather(answers, own.contiguous(), group=self.group)
        return torch.cat(answers)
