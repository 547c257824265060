"""What the shipped models have learned, on images that they never saw, beside the
best that a linear denoiser can do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...data import load_data
from ...diffusion import LinearDenoiser
from ...evaluation import held_out, validation_loss
from ...lab import Parts, experiment
from ...training import load
from ...training.precision import pick_device


@experiment(
    "How far are the shipped models from the best linear denoiser, and do they "
    "listen to the class?",
    seconds=dict(cpu=300.0, gpu=60.0),
    smoke=dict(models=["digits"], linear=["digits"], images=50, bins=5),
    cpu=dict(
        models=["digits", "cifar10", "imagenet64"],
        linear=["digits", "cifar10"],
        images=None,
        bins=20,
    ),
    gpu=dict(
        models=["digits", "cifar10", "imagenet64"],
        linear=["digits", "cifar10"],
        images=None,
        bins=20,
    ),
)
def loss_beside_linear(
    parts: Parts, models: list[str], linear: list[str], images: int | None, bins: int
) -> dict:
    """The loss on held-out images (all, or the first `images`) in `bins` of the
    noise level, for each model told the class, another class, or none, and for the
    linear denoisers of the training images of those in `linear`, told no class or
    the class (their covariance has the square of an image's numbers: 150 million at
    64x64x3). All meet the same triples of image, time and noise.
    """
    cases = [
        {"model": model, "told": told}
        for model in models
        for told in (*TOLD, *LINEAR)
        if told in TOLD or model in linear
    ]
    return {"rows": parts.map(one_denoiser, cases, images=images, bins=bins)}


#: what a model is told -> the labels, from the true ones (n,) and the number of classes
#: K
TOLD: dict[str, Callable[[Tensor, int], Tensor]] = {
    "class": lambda y, K: y,
    "other class": lambda y, K: (y + 1) % K,
    "no class": lambda y, K: torch.full_like(y, K),
}
#: linear denoisers, by what they are told -> their labels, from the true ones of the
#: training images
LINEAR: dict[str, Callable[[Tensor], Tensor | None]] = {
    "linear": lambda y: None,
    "linear, class": lambda y: y,
}


def one_denoiser(model: str, told: str, images: int | None, bins: int) -> dict:
    """Mean loss, and mean loss in each bin of t."""
    denoiser, data = load(model), held_out(model, images)
    parameters = sum(p.numel() for p in denoiser.parameters())
    if told in LINEAR:
        train, config = load_data(model, "train"), denoiser.config
        seen = torch.from_numpy(train.images).float().div(127.5).sub(1)
        denoiser = LinearDenoiser(
            (seen - config.data_mean) / config.data_std,
            config,
            LINEAR[told](torch.from_numpy(train.labels)),
        )
    labels = TOLD.get(told, TOLD["class"])(
        torch.from_numpy(data.labels), len(data.class_names)
    )
    t, loss = validation_loss(
        denoiser.to(pick_device("auto")), data, repeats=1, labels=labels
    )
    at = (t * bins).long().clamp(max=bins - 1)
    return {
        "model": model, "told": told, "parameters": parameters,
        "images": len(data.images), "loss": loss.mean().item(),
        "by_time": [loss[at == i].mean().item() for i in range(bins)],
    }  # fmt: skip
