"""What a patch is worth: loss against steps, against multiply-adds and against time,
for every patch size.
"""

from __future__ import annotations

import statistics
import time

import torch

from ...analysis import border_roughness, flops
from ...config import TrainConfig, preset
from ...data import Dataset, load_data
from ...diffusion import sample
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment
from ...lab.arms import compiled, train_arm
from ...model.dit import DiT
from ...training import Trainer

DIGITS = dict(
    data="digits", patches=[1, 2, 4, 8], batch_size=96, lr=4e-3, images=None, repeats=4
)
CIFAR = dict(
    data="cifar10",
    patches=[2, 4, 8, 16],
    batch_size=64,
    lr=2e-3,
    images=1000,
    repeats=1,
)


@experiment(
    "What is a patch worth at equal steps, at equal multiply-adds and at equal time?",
    seconds=dict(cpu=1500.0, gpu=900.0),
    maps=2,
    smoke=dict(
        arms=[DIGITS | dict(patches=[4, 8], steps=8, most=12)],
        seeds=[0],
        width=64,
        depth=4,
        heads=4,
    ),
    cpu=dict(
        arms=[DIGITS | dict(steps=500, most=4000), CIFAR | dict(steps=200, most=3200)],
        seeds=[0, 1, 2],
        width=64,
        depth=4,
        heads=4,
    ),
    gpu=dict(
        arms=[
            DIGITS | dict(steps=1600, most=12800),
            CIFAR | dict(steps=8000, most=64000),
        ],
        seeds=[0, 1, 2, 3, 4],
        width=128,
        depth=6,
        heads=4,
    ),
)
def patch_sizes(
    parts: Parts, arms: list[dict], seeds: list[int], width: int, depth: int, heads: int
) -> dict:
    """One network, patches of several sizes, constant rate and averaged weights, so
    that one run can be read at every cost.

    Each arm trains for at least `steps`, and longer (up to `most` steps) where its
    multiply-adds would still be fewer than those of the second patch size after
    `steps`. Steps are timed in turns in one process. Rows hold the held-out loss at
    every number of steps in `at`.
    """
    model = dict(width=width, depth=depth, heads=heads)
    cases = [
        {"arm": arm | {"model": model}, "patch": patch, "seed": seed}
        for arm in arms
        for patch in arm["patches"]
        for seed in seeds
    ]
    rows = parts.map(
        one_patch, cases, cost=lambda part: config(**part).steps * cost(**part) ** 0.8
    )
    return {
        "rows": rows,
        "timing": parts.map(
            step_times, [{"arm": arm | {"model": model}} for arm in arms]
        ),
    }


def multiply_adds(arm: dict, patch: int) -> float:
    """Of one image, forward."""
    return flops(
        preset(
            "S/2",
            **load_data(arm["data"]).shape,
            **(arm["model"] | {"patch_size": patch}),
        )
    )["total"].macs


def config(arm: dict, patch: int, seed: int) -> TrainConfig:
    """The run of one arm."""
    matched = (
        arm["steps"] * multiply_adds(arm, arm["patches"][1]) / multiply_adds(arm, patch)
    )
    return TrainConfig(
        data=arm["data"], preset="S/2", changes=arm["model"] | {"patch_size": patch},
        steps=max(arm["steps"], min(arm["most"], round(matched))),
        batch_size=arm["batch_size"], lr=arm["lr"], warmup=min(50, arm["steps"] // 4),
        schedule="constant", ema_decay=0.99, seed=seed,
        compile=compiled(),
    )  # fmt: skip


def cost(arm: dict, patch: int, seed: int) -> float:
    return multiply_adds(arm, patch)


def one_patch(arm: dict, patch: int, seed: int) -> dict:
    """Train one arm; its held-out loss on the way, and how much rougher its samples
    are across the borders of patches than inside.
    """
    run = config(arm, patch, seed)
    at = sorted(
        {
            run.steps,
            arm["steps"],
            *(round(run.steps / 2 ** (k / 2)) for k in range(1, 12)),
        }
        - {0}
    )
    data = held_out(arm["data"], arm["images"])
    model, losses = train_arm(
        run, at, lambda model: mean_loss(model, data, arm["repeats"])
    )
    about = {
        "data": arm["data"],
        "patch": patch,
        "seed": seed,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    return about | {
        "macs": multiply_adds(arm, patch),
        "batch_size": run.batch_size,
        "at": at,
        "loss": losses,
        "seam": seam(model, data, seed),
    }


def seam(model: DiT, real: Dataset, seed: int, images: int = 500) -> float | None:
    """Roughness at the borders of patches in unguided samples, over that of real
    images at the same places; None where there are no borders.
    """
    config = model.config
    if not 1 < config.patch_size < config.image_size:
        return None
    made = sample(
        model,
        torch.arange(images) % config.num_classes,
        steps=20,
        guidance=1.0,
        seed=seed,
    )
    truth = real.floats()
    return border_roughness(made, config.patch_size) / border_roughness(
        truth, config.patch_size
    )


def step_times(arm: dict, rounds: int = 15) -> dict:
    """Median seconds of a training step for each patch size, measured in turns."""
    trainers = {patch: Trainer(config(arm, patch, 0)) for patch in arm["patches"]}
    seconds: dict[int, list[float]] = {patch: [] for patch in trainers}
    for i in range(rounds + 2):
        for patch, trainer in trainers.items():
            began = time.perf_counter()
            loss, _ = trainer.train_step()
            loss.item()
            if i > 1:
                seconds[patch].append(time.perf_counter() - began)
    return {
        "data": arm["data"],
        "seconds": {
            str(patch): statistics.median(times) for patch, times in seconds.items()
        },
    }
