"""Does the model use its label or caption? Its loss on real images with the right one,
with none, and with another.
"""

import dataclasses
from dataclasses import dataclass

import torch

from ...config.arguments import checked
from ...config.fields import Whole
from ...data import Dataset
from ...model.dit import DiT
from .loss_by_time import loss_by_time

#: The labels of `loss_by_time` -> in words. Captions and text features take the place
#: of classes.
LABELS = {"class": "its class", "no class": "no class", "wrong class": "another class"}
NOUNS = {"label": "class", "caption": "caption", "features": "text"}


@dataclass(frozen=True)
class LabelPenalty:
    """Losses of the model's own objective on `images` real images `of` a data set:
    {label: (mean, standard error over images)}; and `penalty`, how much more another
    class costs than the right one, with the standard error of the per-image
    differences; None for a single class.
    """

    of: str
    images: int
    objective: str
    losses: dict[str, tuple[float, float]]
    penalty: tuple[float, float] | None

    def __str__(self) -> str:
        other = list(self.losses)[-1]
        losses = ", ".join(
            f"{name} {mean:.4f} ± {error:.4f}"
            for name, (mean, error) in self.losses.items()
        )
        more = (
            "; {} costs {:.4f} ± {:.4f} more than its own".format(other, *self.penalty)
            if self.penalty
            else ""
        )
        return (
            f"Loss ({self.objective}) on {self.images:,} images of {self.of}, by the "
            f"label given: {losses}{more}."
        )


@checked
def label_penalty(
    model: DiT, data: Dataset, count: int = 1000, seed: int = 0, of: str | None = None
) -> LabelPenalty:
    """The losses on at most `count` images of `data` and at least `count` triples of
    image, time and noise, the same for all labels; `of` is the name of the data,
    `data.name` if None. Raises ValueError for fewer than 2 images, which give no
    standard error.
    """
    count = Whole(1)("count", count)
    index = (
        torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:count]
        .sort()
        .values.numpy()
    )
    some = dataclasses.replace(
        data, images=data.images[index], labels=data.labels[index]
    )
    found = loss_by_time(model, some, repeats=-(-count // len(some)), seed=seed)

    def mean(label: str, minus: str | None = None) -> tuple[float, float]:
        whole = found.bins(label, 1, minus)
        return whole.mean.item(), whole.error.item()

    penalty = mean("wrong class", "class") if "wrong class" in found.losses else None
    noun = NOUNS[model.config.condition]
    return LabelPenalty(
        of or data.name,
        len(some),
        model.config.objective,
        {LABELS[name].replace("class", noun): mean(name) for name in found.losses},
        penalty,
    )
