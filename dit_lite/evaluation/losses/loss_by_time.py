"""How well a model denoises at each noise level, and what its class label is worth
there.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...config import choose
from ...config.arguments import checked
from ...data import Dataset
from ...model import DiT, null_like
from .validation import validation_loss


class Bins(NamedTuple):
    """Means over equal slices of t: edges (b+1,), mean (b,), its standard error over
    images (b,), count (b,) of (image, t, noise) triples.
    """

    edges: Tensor
    mean: Tensor
    error: Tensor
    count: Tensor


@dataclass(frozen=True)
class LossByTime:
    """Losses (n,) of the same triples by the label given to the model, at times t (n,);
    `image` (n,) is the image of each triple.

    Labels: "class", the right one; "no class", if the model has it; "wrong class",
    another one drawn uniformly.
    """

    t: Tensor
    image: Tensor
    losses: dict[str, Tensor]

    def bins(
        self, label: str = "class", number: int = 10, minus: str | None = None
    ) -> Bins:
        """The loss in `number` slices of t; with `minus`, the difference of two losses,
        triple by triple, which has a smaller error than the difference of two means.

        Triples of one image are not independent: the error is for a mean over images,
        from the sum of each image's residuals. Raises ConfigError for an unknown
        `label`, ValueError when a slice would hold fewer than two images.
        """
        for name in (label, minus or label):
            choose("label", name, self.losses)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(
                f"number={number!r} of slices must be a whole number of at least 1"
            )
        loss = (self.losses[label] - (self.losses[minus] if minus else 0)).double()
        place, images = (
            (self.t * number).long().clamp(max=number - 1),
            int(self.image.max()) + 1,
        )
        count = place.bincount(minlength=number)
        mean = (
            torch.zeros(number, dtype=torch.float64).index_add(0, place, loss) / count
        )
        cells = torch.zeros(number * images, dtype=torch.float64).index_add(
            0, place * images + self.image, loss - mean[place]
        )
        there = (
            (place * images + self.image)
            .bincount(minlength=number * images)
            .view(number, images)
            .count_nonzero(1)
        )
        if there.min() < 2:
            raise ValueError(
                f"with number={number} slices of t, one has only {there.min()} images; "
                "use fewer slices, or more images or repeats"
            )
        error = (
            cells.view(number, images).square().sum(1) * there / (there - 1)
        ).sqrt() / count
        return Bins(torch.linspace(0, 1, number + 1), mean, error, count)


@checked
def loss_by_time(
    model: DiT, data: Dataset, repeats: int = 4, seed: int = 1234
) -> LossByTime:
    """The held-out loss of the model's own objective with the class, without it, and
    with a wrong one, on the same (image, t, noise) triples.

    Every image of `data` is used `repeats` times, at times spread evenly over [0,1];
    the triples depend on `data`, `repeats` and `seed` alone. Losses of different
    objectives have different units: compare models of one objective. Captions or text
    features take the place of classes; the wrong one belongs to another image.
    """
    labels = torch.from_numpy(data.labels)
    others = model.config.num_classes if model.config.condition == "label" else 1
    labels_given = {"class": labels}
    if model.config.null_class:
        labels_given["no class"] = null_like(model.config, labels)
    generator = torch.Generator().manual_seed(seed)
    if others > 1:
        labels_given["wrong class"] = (
            labels + torch.randint(1, others, labels.shape, generator=generator)
        ) % others
    elif model.config.condition != "label" and len(labels) > 1:
        turn = torch.randint(1, len(labels), (), generator=generator).item()
        labels_given["wrong class"] = labels.roll(turn, 0)
    losses = {}
    for name, y in labels_given.items():
        t, losses[name] = validation_loss(model, data, repeats, seed, labels=y)
    return LossByTime(t, torch.arange(len(labels)).repeat(repeats), losses)
