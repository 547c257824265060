"""Few images, many passes: where the loss stops falling, and what it stops at."""

from __future__ import annotations

import dataclasses
from itertools import product

from ...data import Loader, load_data
from ...lab import Parts, experiment
from ...training import Trainer
from ._runs import CIFAR10, SHAPES, loss_curve, points, run_config


@experiment(
    "What do more different images buy, beside more passes over the same?",
    seconds=dict(cpu=900.0, gpu=200.0),
    smoke=dict(
        family=SHAPES, distinct=[64, 128], seeds=[0], width=16, at=[1, 2], repeats=1,
        images=64,
    ),
    cpu=dict(
        family=SHAPES, distinct=[64, 256, 1024, 4096, 16384], seeds=[0, 1, 2],
        width=64, at=[300, 600, 1200], repeats=1, images=1000,
    ),
    gpu=dict(
        family=CIFAR10, distinct=[500, 1500, 5000, 15000, 50000], seeds=[0, 1],
        width=256, at=[500, 1000, 2000, 4000], repeats=1, images=2000,
    ),
)  # fmt: skip
def data_axis(
    parts: Parts, family: dict, distinct: list[int], seeds: list[int], **settings
) -> dict:
    """Train one model on the first images of the training set, more and more of them;
    `rows` are its held-out losses.
    """
    grid = [dict(distinct=m, seed=seed) for m, seed in product(distinct, seeds)]
    return {"rows": points(parts.map(one_run, grid, family=family, **settings))}


def one_run(
    family: dict, distinct: int, seed: int, width: int, at: list[int], repeats: int,
    images: int | None,
) -> dict:  # fmt: skip
    """Train on the first `distinct` images; losses after each of `at` steps."""

    def limit(trainer: Trainer) -> None:
        data = load_data(family["data"], "train")
        few = dataclasses.replace(
            data, images=data.images[:distinct], labels=data.labels[:distinct]
        )
        if hasattr(few, "fresh"):  # shapes go on and on unless they are told not to
            few = dataclasses.replace(few, fresh=False)
        trainer.loader = Loader(few, config.batch_size, config.seed, trainer.device)

    config = run_config(family, at[-1], seed, width=width)
    return loss_curve(config, at, repeats, images, limit) | {
        "distinct": distinct,
        "seed": seed,
    }
