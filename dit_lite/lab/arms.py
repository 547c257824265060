"""Training an arm of a comparison, and evaluating its averaged weights or its gradients
along the way.
"""

from collections.abc import Callable, Sequence

import torch

from ..analysis.gradients import group_norms
from ..config import TrainConfig
from ..data import Dataset
from ..model.dit import DiT
from ..training import DivergedError, Trainer
from ..training.precision import pick_device, preferred


def compiled() -> bool:
    """Whether the arms of a timed comparison are compiled: all of them where the device
    prefers it, however many steps each takes.
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

    `prepare(trainer)` may change the trainer before the first step; `data` replaces the
    run's data set. Returns the averaged model on the CPU and the list. Raises
    DivergedError when the loss is not finite.
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
    """One training step; returns its gradient norm for each group of parameters."""
    seen: dict[str, float] = {}

    def remember(*_) -> None:
        seen.update(group_norms(trainer.model))

    with trainer.optimiser.register_step_pre_hook(remember):
        trainer.train_step()
    return seen
