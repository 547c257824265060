"""Delayed gradients: the largest stable learning rate compared with the formula, on a
quadratic and on a Transformer.
"""

import math

import torch

from ...config import TrainConfig
from ...distributed.stale import (
    Delayed,
    largest_stable,
    quadratic_diverges,
    stable_rate,
)
from ...lab import Parts, experiment, grid
from ...training.loop import Trainer
from ._runs import run_config

QUADRATIC, TRANSFORMER = "quadratic", "transformer"


@experiment(
    "Does the largest stable rate fall with the delay as 2 sin(pi / (2 (2 tau + 1)))?",
    seconds=dict(cpu=240.0),
    smoke=dict(delays=[0, 1], seeds=[0], steps=3, digits=0.5),
    cpu=dict(delays=[0, 1, 2, 4, 8, 16], seeds=[0, 1, 2], steps=100, digits=0.05),
)
def delay_limit(
    parts: Parts, delays: list[int], seeds: list[int], steps: int, digits: float
) -> dict:
    """Find by bisection the largest rate of plain SGD that does not diverge.

    `rate` is the quadratic's rate times its curvature, or the Transformer's rate as it
    is, to the relative precision `digits`; `formula` is `stable_rate(delay)`.
    """
    cases = grid(problem=[QUADRATIC], delay=delays, seed=[0])
    cases += grid(problem=[TRANSFORMER], delay=delays, seed=seeds)
    return {"rows": parts.map(one_limit, cases, steps=steps, digits=digits)}


def one_limit(problem: str, delay: int, seed: int, steps: int, digits: float) -> dict:
    """The largest stable rate of one problem at one delay."""
    if problem == QUADRATIC:
        rate = largest_stable(lambda rate: quadratic_diverges(rate, delay), 1e-3, 4)
    else:
        rate = largest_stable(
            lambda rate: training_diverges(rate, delay, seed, steps),
            1e-3,
            100.0,
            digits,
        )
    return dict(
        problem=problem, delay=delay, seed=seed, rate=rate, formula=stable_rate(delay)
    )


class DelayedSGD(Trainer):
    """Plain gradient descent at a constant rate, with delayed gradients."""

    def __init__(self, config: TrainConfig, rate: float, delay: int):
        super().__init__(config)
        self.sgd_rate = rate
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=rate)
        self.late = Delayed(self.model.parameters(), delay)

    def clip(self) -> torch.Tensor:
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters()])
        self.late.exchange()
        return norm

    def rate(self) -> float:
        return self.sgd_rate


def training_diverges(rate: float, delay: int, seed: int, steps: int) -> bool:
    """Whether a run at this rate ends with a loss above its first, or not finite."""
    one = DelayedSGD(run_config(steps, seed=seed), rate, delay)
    losses = []
    for _ in range(steps):
        losses.append(one.train_step()[0].item())
        if not math.isfinite(losses[-1]) or losses[-1] > 1e3:
            return True
    tail = losses[-max(1, steps // 5) :]
    return sum(tail) / len(tail) > 1.05 * losses[0]
