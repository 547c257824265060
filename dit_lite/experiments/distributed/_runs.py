"""A small Transformer on the digits, trained by the processes of one group."""

import math

import torch
from torch import Tensor

from ...config import TrainConfig
from ...distributed.strategy import Strategy
from ...distributed.trainer import ParallelTrainer
from ...evaluation import held_out, mean_loss
from ...training.loop import Trainer

#: Two blocks of width 32: a step of 64 digits takes some ten milliseconds.
SMALL = dict(width=32, depth=2, heads=4)


def run_config(steps: int, **changes) -> TrainConfig:
    """A short run on the digits."""
    return TrainConfig(
        **dict(
            data="digits", batch_size=64, changes=SMALL, ema_decay=0.95, lr=4e-3,
            steps=steps, warmup=min(10, steps), log_every=10,
        )
        | changes
    )  # fmt: skip


def trainer(
    kind: type[ParallelTrainer],
    config: TrainConfig,
    parallel: str = "ddp",
    resume: bool = False,
) -> ParallelTrainer:
    """A trainer of this process, one of several."""
    return kind(config, Strategy.parse(parallel), resume)


def weights(one: Trainer) -> Tensor:
    """All averaged weights as one vector."""
    return torch.nn.utils.parameters_to_vector(one.averaged().parameters())


def held_out_loss(one: Trainer, repeats: int = 4) -> float | None:
    """Loss of the averaged model on test digits, None where the run diverged."""
    loss = mean_loss(one.averaged(), held_out("digits"), repeats)
    return loss if math.isfinite(loss) else None
