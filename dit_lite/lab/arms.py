"""Training an arm of a comparison, and looking at its averaged weights or at its
gradients on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..analysis.gradients import group_norms
from ..config import TrainConfig
from ..data import Dataset
from ..model.dit import DiT
from ..training import DivergedError, Trainer
from ..training.precision import pick_device, preferred


def compiled() -> bool:
    """Whether the arms of a comparison by time are compiled: where their device
    prefers it, all of them, however many steps each takes.
    """
    return preferred(pick_device("auto"))[1]


def train_arm(
    config: TrainConfig,
    at: Sequence[int],
    look: Callable[[DiT], object],
    prepare: Callable[[Trainer], None] | None = None,
    data: Dataset | None = None,
) -> tuple[DiT, list]:
    """Train, and collect `look(averaged model)` after each number of steps in `at`,
    which ends at config.steps.

    `prepare(trainer)` may change the trainer before the first step; `data` takes the
    place of the data set that the run names. Returns the averaged model on the CPU and
    the list. Raises DivergedError when the loss is not
    finite.
    """
    trainer = Trainer(config, data=data)
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


def gradient_norms(trainer: Trainer) -> dict[str, float]:
    """One training step, and the norm of the gradient of each group of parameters in
    it.
    """
    seen: dict[str, float] = {}

    def remember(*_) -> None:
        seen.update(group_norms(trainer.model))

    handle = trainer.optimiser.register_step_pre_hook(remember)
    trainer.train_step()
    handle.remove()
    return seen
