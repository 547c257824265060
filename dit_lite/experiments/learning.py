"""Training an arm of a comparison and looking at its averaged weights on the way,
always on the same held-out triples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..config import TrainConfig
from ..data import Dataset, load_data
from ..model.dit import DiT
from ..training import DivergedError, Trainer, validation_loss
from ..training.precision import pick_device, preferred


def held_out(name: str, images: int | None = None) -> Dataset:
    """The test images of a data set, or the first `images` of them."""
    data = load_data(name, "test")
    return dataclasses.replace(
        data, images=data.images[:images], labels=data.labels[:images]
    )


def as_images(data: Dataset) -> Tensor:
    """The images of a data set as floats (n, C, H, W) in [-1,1]."""
    # a copy: data may be memory-mapped
    return torch.tensor(data.images).float() / 127.5 - 1


def mislabelled(data: Dataset) -> Dataset:
    """The same images, each with the label of the next class: how much worse a model
    gets is how much it listens.
    """
    return dataclasses.replace(data, labels=(data.labels + 1) % len(data.class_names))


def mean_loss(model: DiT, data: Dataset, repeats: int) -> float:
    """Mean loss on fixed triples, see `validation_loss`."""
    return validation_loss(model, data, repeats)[1].mean().item()


def compiled() -> bool:
    """Whether the arms of a comparison by time are compiled: where their device
    prefers it, all of them, however many steps each takes.
    """
    return preferred(pick_device("auto"))[1]


def learn(
    config: TrainConfig,
    at: Sequence[int],
    look: Callable[[DiT], object],
    prepare: Callable[[Trainer], None] | None = None,
) -> tuple[DiT, list]:
    """Train, and collect `look(averaged model)` after each number of steps in `at`,
    which ends at config.steps.

    `prepare(trainer)` may change the trainer before the first step. Returns the
    averaged model on the CPU and the list. Raises DivergedError when the loss is not
    finite.
    """
    trainer = Trainer(config)
    if prepare:
        prepare(trainer)
        trainer.ema.model.load_state_dict(trainer.model.state_dict())
    seen = []
    for stop in at:
        while trainer.step < stop:
            loss, _ = trainer.train_step()
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss.item():g} within {stop} steps of "
                f"{config}; lower lr"
            )
        seen.append(look(trainer.ema.model))
    return trainer.ema.model.cpu(), seen
