"""The source text initialises (gamma, beta) to (0, 1). Three ways to read that,
trained.
"""

from __future__ import annotations

import dataclasses

from ...analysis.gradients import group_norms
from ...analysis.zero_init import READINGS, set_modulation
from ...config import TrainConfig
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...training import Trainer


@experiment(
    'What do the three readings of the initial "(0,1)" do to training?',
    recipe="digits",
    seconds=dict(cpu=250.0, gpu=150.0),
    smoke=dict(seeds=[0], steps=2),
    cpu=dict(seeds=[0, 1, 2], steps=500),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=1000),
)
def three_readings(parts: Parts, seeds: list[int], steps: int) -> dict:
    """Train digits from each initialisation; held-out loss on the way, and gradient
    norms by group of parameters in the first steps.
    """
    cases = [
        {"reading": reading, "seed": seed} for reading in READINGS for seed in seeds
    ]
    return {"rows": parts.map(one_reading, cases, steps=steps)}


def one_reading(reading: str, seed: int, steps: int) -> dict:
    conditioning, scale, shift = READINGS[reading]
    config = TrainConfig(
        data="digits", steps=steps, seed=seed, changes={"conditioning": conditioning}
    )
    data = held_out("digits")
    at = sorted({max(1, round(steps / 2 ** (k / 2))) for k in range(10)})

    def prepare(trainer: Trainer) -> None:
        set_modulation(trainer.model, scale, shift)

    def look(model) -> float:
        return mean_loss(model, data, 4)

    trainer = Trainer(dataclasses.replace(config, clip=1e9))  # norms of whole gradients
    prepare(trainer)
    norms = [gradient_norms(trainer) for _ in range(6)]
    _, losses = train_arm(config, at, look, prepare)
    return {
        "reading": reading,
        "seed": seed,
        "at": at,
        "loss": losses,
        "gradient_norms": norms,
    }


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
