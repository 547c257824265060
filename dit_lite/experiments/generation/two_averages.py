"""How long should the average of the weights be? Two averages are tracked during
training, and every other length is reconstructed from them afterwards.
"""

import copy

import torch

from ...config import TrainConfig
from ...diffusion import sample
from ...evaluation import (
    class_accuracy,
    frechet_distance,
    held_out,
    load_judge,
    mean_loss,
    real_images,
)
from ...lab import Parts, experiment, grid
from ...model.dit import DiT
from ...training import PowerEMA, Trainer, synthesise
from ...training.posthoc_ema import FOLLOWED

LENGTHS = [0.02, 0.05, 0.075, 0.1, 0.15, 0.2]


@experiment(
    "Which averaging length is best, and can it be chosen after training?",
    recipe="digits",
    seconds=dict(cpu=600.0, gpu=400.0),
    smoke=dict(
        seeds=[0],
        schedules=["constant"],
        lengths=[0.07],
        steps=8,
        snapshots=4,
        per_class=10,
        sampling_steps=1,
        repeats=1,
    ),
    cpu=dict(
        seeds=[0, 1, 2],
        schedules=["constant", "cosine"],
        lengths=LENGTHS,
        steps=300,
        snapshots=20,
        per_class=30,
        sampling_steps=8,
        repeats=2,
    ),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4],
        schedules=["constant", "cosine"],
        lengths=LENGTHS,
        steps=2000,
        snapshots=40,
        per_class=100,
        sampling_steps=20,
        repeats=4,
    ),
)
def two_averages(
    parts: Parts, seeds: list[int], schedules: list[str], **settings
) -> dict:
    """Train digits models while tracking power-function averages of lengths 0.05 and
    0.10, and reconstruct the other lengths from their snapshots.

    The other lengths are tracked too, to measure the `error` of the reconstructed ones:
    their distance from the tracked weights, relative to the tracked weights' distance
    from the last weights. A row is one set of weights; length 0 is the last weights.
    Samples are unguided.
    """
    cases = grid(schedule=schedules, seed=seeds)
    return {"rows": parts.rows(one_run, cases, **settings)}


def one_run(
    schedule: str,
    seed: int,
    lengths: list[float],
    steps: int,
    snapshots: int,
    per_class: int,
    sampling_steps: int,
    repeats: int,
) -> list[dict]:
    """Train one model and look at it through averages of all lengths."""
    trainer = Trainer(
        TrainConfig(data="digits", steps=steps, schedule=schedule, seed=seed)
    )
    followed, all_followed = PowerEMA(trainer.model), PowerEMA(trainer.model, lengths)
    for k in range(1, steps + 1):
        trainer.train_step()
        followed.update()
        all_followed.update()
        if k % (steps // snapshots) == 0:
            followed.snapshot()
    model, data, judge = trainer.model.eval(), held_out("digits"), load_judge()
    labels, real = (
        torch.arange(10).repeat(per_class),
        judge.features(real_images("train")[0]),
    )

    def row(
        length: float, tracked: bool, weights: DiT, error: float | None = None
    ) -> dict:
        # a copy forgets that its original was compiled for a GPU
        weights = copy.deepcopy(weights).cpu()
        images = sample(weights, labels, sampling_steps, 1.0, "dpmpp_2m", seed)
        return {
            "schedule": schedule, "seed": seed, "length": length, "tracked": tracked,
            "loss": mean_loss(weights, data, repeats), "error": error,
            "Fréchet": frechet_distance(real, judge.features(images)),
            "accuracy": class_accuracy(judge, images, labels, 10)[0],
        }  # fmt: skip

    rows = [row(0.0, True, model)]
    for length, average in zip(lengths, all_followed.averages, strict=True):
        made = synthesise(model, followed, length)
        rows.append(
            row(
                length,
                length in FOLLOWED,
                made,
                distance(made.parameters(), average)
                / distance(model.parameters(), average),
            )
        )
    return rows


@torch.no_grad()
def distance(some, others) -> float:
    """Euclidean distance between two sets of weights."""
    return (
        sum(
            (a.cpu().double() - b.cpu().double()).square().sum().item()
            for a, b in zip(some, others, strict=True)
        )
        ** 0.5
    )
