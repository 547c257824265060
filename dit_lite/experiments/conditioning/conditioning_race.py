"""Seven ways to tell a network the time and the class, at equal steps: at equal
width and at equal parameters.
"""

from __future__ import annotations

import math

import torch

from ...analysis import flops, match_cost
from ...config import CHOICES, DiTConfig, TrainConfig, preset
from ...data import load_data
from ...diffusion import sample
from ...evaluation import class_accuracy, held_out, load_judge, mean_loss, mislabelled
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...model.dit import DiT

DIGITS = dict(
    data="digits",
    preset="digits",
    changes={},
    batch_size=96,
    lr=4e-3,
    images=None,
    repeats=4,
    per_class=50,
)
CIFAR = dict(
    data="cifar10",
    preset="S/2",
    changes=dict(width=64, depth=4, heads=4, patch_size=4),
    batch_size=64,
    lr=2e-3,
    images=1000,
    repeats=1,
    per_class=0,
)


@experiment(
    "Which way of conditioning learns best, and which listens best?",
    seconds=dict(cpu=2400.0, gpu=1200.0),
    smoke=dict(
        races=[DIGITS | dict(by="width", steps=2, seeds=[0], repeats=1, per_class=1)]
    ),
    cpu=dict(
        races=[
            DIGITS | dict(by="width", steps=400, seeds=[0, 1, 2, 3, 4]),
            DIGITS | dict(by="parameters", steps=400, seeds=[0, 1, 2]),
            CIFAR | dict(by="width", steps=300, seeds=[0, 1, 2]),
        ]
    ),
    gpu=dict(
        races=[
            DIGITS | dict(by="width", steps=400, seeds=[0, 1, 2, 3, 4]),
            DIGITS | dict(by="parameters", steps=400, seeds=[0, 1, 2]),
            CIFAR
            | dict(
                by="width",
                steps=20_000,
                seeds=[0, 1, 2],
                batch_size=256,
                changes=dict(width=128, depth=6, heads=4, patch_size=2),
            ),
        ]
    ),
)
def conditioning_race(parts: Parts, races: list[dict]) -> dict:
    """Each race trains every conditioning with the same data, steps and seeds, and
    looks ten times on the way.

    `by` says what is held fixed: the width of adaLN-Zero, or its number of parameters.
    Rows hold the held-out loss, the loss when every label is wrong, and for adaLN-Zero
    the mean absolute gate of each block; for digits also what the judge reads in
    unguided samples.
    """
    cases = [
        {"race": {k: v for k, v in race.items() if k != "seeds"}, "conditioning": name,
        "seed": seed}
        for race in races for name in CHOICES["conditioning"] for seed in race["seeds"]
    ]  # fmt: skip
    return {
        "rows": parts.map(
            one_racer,
            cases,
            cost=lambda part: (
                part["race"]["steps"] * flops(racer(**part))["total"].macs
            ),
        )
    }


def racer(race: dict, conditioning: str, seed: int = 0) -> DiTConfig:
    """The model of one arm: the same width as adaLN-Zero, or the width that comes
    closest to its parameters.
    """
    shape = load_data(race["data"]).shape
    config = preset(race["preset"], **(shape | race["changes"]))
    if race["by"] == "width":
        return preset(
            race["preset"], **(shape | race["changes"] | {"conditioning": conditioning})
        )
    goal = flops(config)["total"].parameters
    return match_cost(
        preset(
            race["preset"], **(shape | race["changes"] | {"conditioning": conditioning})
        ),
        by="parameters",
        target=goal,
        tolerance=0.06,
    ).config


def one_racer(race: dict, conditioning: str, seed: int) -> dict:
    """Train one arm and score it."""
    model = racer(race, conditioning)
    config = TrainConfig(
        data=race["data"], model=model, steps=race["steps"],
        batch_size=race["batch_size"], lr=race["lr"], warmup=min(50,
        race["steps"] // 4),
        ema_decay=0.99, label_dropout=0.1, seed=seed,
    )  # fmt: skip
    data = held_out(race["data"], race["images"])
    at = sorted({max(1, config.steps * i // 10) for i in range(1, 11)})

    def look(model: DiT) -> tuple[float, list[float] | None]:
        return mean_loss(model, data, race["repeats"]), gates(model)

    trained, seen = train_arm(config, at, look)
    cost = flops(model)["total"]
    return {
        "data": race["data"], "by": race["by"], "conditioning": conditioning,
        "seed": seed, "width": model.width, "parameters": cost.parameters,
        "macs": cost.macs, "at": at, "loss": [loss for loss, _ in seen],
        "gates": [gate for _, gate in seen],
        "wrong_label": mean_loss(trained, mislabelled(data), race["repeats"]),
    } | (judged(trained, seed,
    race["per_class"]) if race["per_class"] else {})  # fmt: skip


@torch.no_grad()
def gates(model: DiT, images: int = 64, seed: int = 7) -> list[float] | None:
    """Mean absolute gate of each block over times and classes; None for a
    conditioning without gates.
    """
    if model.config.conditioning != "adaln_zero":
        return None
    generator = torch.Generator().manual_seed(seed)
    t = torch.rand(images, generator=generator)
    y = torch.randint(model.config.num_classes, (images,), generator=generator)
    device = next(model.parameters()).device
    context = model.condition(t.to(device), y.to(device))
    vectors = [block.vectors(context) for block in model.blocks]
    return [torch.stack([v.gate1, v.gate2]).abs().mean().item() for v in vectors]


@torch.no_grad()
def judged(model: DiT, seed: int, per_class: int) -> dict:
    """Unguided digits: the share judged correct, and a lower bound on the bits that an
    image tells about its class.

    The bound is H(c) + E log2 q(c | x) with the judge as q (Barber & Agakov 2003): at
    most log2(10) = 3.32 bits.
    """
    labels = torch.arange(10).repeat(per_class)
    images = sample(
        model, labels, steps=25, guidance=1.0, sampler="dpmpp_2m", seed=seed
    )
    judge = load_judge()
    log_share = judge(images).log_softmax(1)[torch.arange(len(labels)), labels]
    return {
        "accuracy": class_accuracy(judge, images, labels, 10)[0],
        "bits": math.log2(10) + log_share.mean().item() / math.log(2),
    }
