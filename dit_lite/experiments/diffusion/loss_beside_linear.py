"""The shipped models' losses on images that they never saw, compared with the best
linear denoiser.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...data import load_data
from ...diffusion import LinearDenoiser, to_model_units
from ...evaluation import held_out, validation_loss
from ...lab import Parts, experiment
from ...training import load
from ...training.precision import pick_device


@experiment(
    "How far are the shipped models from the best linear denoiser, and do they "
    "use the class?",
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
    """The loss on held-out images (all, or the first `images`) in `bins` of the noise
    level, for each model given the class, another class, or none, and for the linear
    denoisers of the training images of those in `linear`, given no class or the class
    (their covariance has as many entries as the square of an image's values: 150
    million at 64x64x3). All get the same triples of image, time and noise.
    """
    cases = [
        {"model": model, "label": label}
        for model in models
        for label in (*LABELS, *LINEAR)
        if label in LABELS or model in linear
    ]
    return {"rows": parts.map(one_denoiser, cases, images=images, bins=bins)}


#: the label given -> the labels, from the true ones (n,) and the number of classes
#: K
LABELS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "class": lambda y, K: y,
    "other class": lambda y, K: (y + 1) % K,
    "no class": lambda y, K: torch.full_like(y, K),
}
#: linear denoisers, by the label given -> their labels, from the true ones of the
#: training images
LINEAR: dict[str, Callable[[Tensor], Tensor | None]] = {
    "linear": lambda y: None,
    "linear, class": lambda y: y,
}


def one_denoiser(model: str, label: str, images: int | None, bins: int) -> dict:
    """Mean loss, and mean loss in each bin of t."""
    denoiser, data = load(model), held_out(model, images)
    parameters = sum(p.numel() for p in denoiser.parameters())
    if label in LINEAR:
        train, config = load_data(model, "train"), denoiser.config
        denoiser = LinearDenoiser(
            to_model_units(train.floats(), config),
            config,
            LINEAR[label](torch.from_numpy(train.labels)),
        )
    labels = LABELS.get(label, LABELS["class"])(
        torch.from_numpy(data.labels), len(data.class_names)
    )
    t, loss = validation_loss(
        denoiser.to(pick_device("auto")), data, repeats=1, labels=labels
    )
    at = (t * bins).long().clamp(max=bins - 1)
    return {
        "model": model, "label": label, "parameters": parameters,
        "images": len(data.images), "loss": loss.mean().item(),
        "loss_by_time": [loss[at == i].mean().item() for i in range(bins)],
    }  # fmt: skip
