"""Loss on fixed noise: every arm of a comparison gets the same images, the same times
and the same noise.
"""

import dataclasses

import torch
from torch import Tensor, nn

from ...config.arguments import checked
from ...config.fields import Whole
from ...data import Dataset, load_data
from ...diffusion import diffusion_loss, to_model_units
from ...model.dit import DiT


@checked
@torch.no_grad()
def validation_loss(
    model: nn.Module,
    data: Dataset,
    repeats: int = 4,
    seed: int = 1234,
    batch_size: int = 512,
    labels: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of the model's own objective on fixed triples (image, t, noise).

    Every image of `data` is used `repeats` times, at times spread evenly over [0,1].
    Returns (t, loss), both (n * repeats,), so that the mean is `loss.mean()` and the
    loss by noise level is a histogram over t. The triples depend on `data`, `repeats`
    and `seed` alone. The model is given `labels` (n,), or the labels of `data`.
    """
    repeats = Whole(1)("repeats", repeats)
    generator = torch.Generator().manual_seed(seed)
    y = torch.from_numpy(data.labels) if labels is None else labels
    y = torch.cat([y] * repeats)  # (n repeats,) or (n repeats, M)
    x = to_model_units(data.floats(), model.config).repeat(repeats, 1, 1, 1)
    n = len(x)
    t = (torch.randperm(n, generator=generator) + 0.5) / n
    eps = torch.randn(x.shape, generator=generator)
    device = next(model.parameters()).device
    batches = zip(
        *(v.to(device).split(batch_size) for v in (x, y, t, eps)), strict=True
    )
    return t, torch.cat([diffusion_loss(model, *batch).cpu() for batch in batches])


def held_out(name: str, images: int | None = None) -> Dataset:
    """The test images of a data set, or the first `images` of them."""
    data = load_data(name, "test")
    return dataclasses.replace(
        data, images=data.images[:images], labels=data.labels[:images]
    )


@checked
def mislabelled(data: Dataset) -> Dataset:
    """The same images, each with the label of the next class: how much worse a model
    gets is how much it uses the label.
    """
    return dataclasses.replace(data, labels=(data.labels + 1) % len(data.class_names))


@checked
def mean_loss(model: DiT, data: Dataset, repeats: int) -> float:
    """Mean loss on fixed triples, see `validation_loss`."""
    return validation_loss(model, data, repeats)[1].mean().item()
