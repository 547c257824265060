"""A grid of sizes, patches and seeds: laws fitted to the smaller models, and a
prediction for the largest, recorded before it is trained.
"""

import numpy as np
import torch
from torch import Tensor

from ...data import Dataset
from ...evaluation import held_out, validation_loss
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...lab.provenance import now
from ...lab.tuning import best_setting
from ...model.dit import DiT
from ...training import DivergedError
from ._runs import (
    CIFAR10,
    SHAPES,
    fitted,
    law_values,
    member,
    points,
    run_config,
    sizes,
)

BINS = 10  # of the noise level


@experiment(
    "What law does the loss follow in size and images, and does it predict the "
    "largest model before that one is trained?",
    seconds=dict(cpu=1200.0, gpu=720.0),
    maps=5,
    smoke=dict(
        family=SHAPES, widths=[16, 32, 64], patches=[8, 16], seeds=[0],
        at=[1, 2, 3, 4], fit_from=64, rates=[2e-3, 4e-3], tuned_for=2,
        repeats=1, images=32,
    ),
    cpu=dict(
        family=SHAPES, widths=[16, 24, 32, 48, 64, 96], patches=[4, 8, 16],
        seeds=[0, 1, 2], at=[100, 200, 300, 400, 500, 600, 800],
        fit_from=9600, rates=[2e-3, 4e-3, 8e-3, 1.6e-2], tuned_for=300,
        repeats=1, images=1000,
    ),
    gpu=dict(
        family=CIFAR10, widths=[64, 96, 128, 192, 256, 384, 512], patches=[2, 4, 8],
        seeds=[0, 1, 2], at=[125, 250, 500, 1000, 2000], fit_from=64_000,
        rates=[5e-4, 1e-3, 2e-3, 4e-3], tuned_for=250, repeats=1, images=2000,
    ),
)  # fmt: skip
def scaling_grid(
    parts: Parts, family: dict, widths: list[int], patches: list[int],
    seeds: list[int], at: list[int], fit_from: int, rates: list[float],
    tuned_for: int, **settings,
) -> dict:  # fmt: skip
    """Find the rate of every patch size at the base width, train every size but the
    largest, fit a law per patch and record its prediction for the largest; then train
    that, and check whether the rate was best for it too.

    `tuning` are losses by rate after `tuned_for` steps, at the base width and at the
    largest, and `rates` the best rate for each patch; `rows` losses by run and images;
    `predictions` the law of the points from `fit_from` images on, its intervals and
    what it predicts, with the date; `held_out` the largest model's results;
    `loss_by_time` the slopes of the loss over size in tenths of the noise level.
    """
    base, largest = family["model"]["base_width"], widths[-1]
    shared = dict(family=family, **settings)

    def runs(some: list[int]) -> list[dict]:
        arms = grid(patch_size=patches, width=some, seed=seeds)
        return [arm | dict(lr=lr[arm["patch_size"]], at=at) for arm in arms]

    def sweep(width: int, some: list[int]) -> list[dict]:
        fixed = dict(width=[width], at=[[tuned_for]])
        return grid(patch_size=some, lr=rates, seed=seeds, **fixed)

    def cost(part: dict) -> float:
        # at small widths a step's overhead and drawing the images dominate
        tokens = (16 / part["patch_size"]) ** 2
        return part["at"][-1] * (4 + part["width"] * tokens / 25)

    tuning = parts.map(one_rate, sweep(base, patches), cost, **shared)
    lr = {patch: best_setting(tuning, patch_size=patch)["lr"] for patch in patches}
    small = parts.map(one_run, runs(widths[:-1]), cost, **shared)
    ahead = parts.map(
        predict, [dict(curves=small, largest=largest, fit_from=fit_from)], family=family
    )[0]
    large = parts.map(one_run, runs([largest]), cost, **shared)
    middle = [patches[len(patches) // 2]]
    tuning += parts.map(one_rate, sweep(largest, middle), cost, **shared)
    return {
        "tuning": tuning,
        "rates": [dict(patch_size=patch, lr=rate) for patch, rate in lr.items()],
        "rows": points(small + large),
        "predictions": ahead,
        "held_out": judged(ahead["predicted"], points(large)),
        "loss_by_time": slopes_by_time(small + large, patches),
    }


def one_run(
    family: dict, width: int, patch_size: int, seed: int, lr: float, at: list[int],
    repeats: int, images: int | None,
) -> dict:  # fmt: skip
    """Train one model: its sizes, its losses after each of `at` steps, and the last one
    by noise level.

    A loss is the mean over times as training draws them: this is what training
    minimises, and it varies less from seed to seed than the mean over evenly spread
    times, half of which comes from times near pure noise, which training rarely draws.
    """
    config = run_config(family, at[-1], seed, lr, width=width, patch_size=patch_size)
    data = held_out(config.data, images)
    model, looks = train_arm(
        config, at, lambda average: validation_loss(average, data, repeats)
    )
    t, last = looks[-1]
    weight = training_density(t)
    place = (t * BINS).long().clamp(max=BINS - 1)
    return sizes(model.config) | {
        "width": width,
        "patch_size": patch_size,
        "seed": seed,
        "lr": lr,
        "images": [stop * config.batch_size for stop in at],
        "losses": [(weight * loss).mean().item() for _, loss in looks],
        "loss_by_time": [last[place == b].mean().item() for b in range(BINS)],
    }


def training_density(t: Tensor) -> Tensor:
    """How often training draws each of the evenly spread times t (m,), relative to
    their mean: the logit-normal density (2403.03206 sec. 3.1).
    """
    density = (-torch.logit(t).square() / 2).exp() / (t * (1 - t))
    return density / density.mean()


def loss_as_trained(model: DiT, data: Dataset, repeats: int) -> float:
    """The held-out loss at times drawn as in training, which is this chapter's loss."""
    t, loss = validation_loss(model, data, repeats)
    return (training_density(t) * loss).mean().item()


def one_rate(lr: float, **run) -> dict:
    """Train one model of the sweep over rates; its loss at the end, None where it
    diverged.
    """
    row = {name: run[name] for name in ("width", "patch_size", "seed")} | {"lr": lr}
    try:
        return row | {"loss": one_run(lr=lr, **run)["losses"][-1]}
    except DivergedError:
        return row | {"loss": None}


def predict(family: dict, curves: list[dict], largest: int, fit_from: int) -> dict:
    """A law for each patch from its points of at least `fit_from` images, and its
    prediction for the largest width, with the date: what is known before that runs.
    """
    rows, laws, predicted = points(curves), [], []
    for patch in sorted({row["patch_size"] for row in rows}):
        some = [
            row for row in rows
            if row["patch_size"] == patch and row["images"] >= fit_from
        ]  # fmt: skip
        law, warned = fitted(some)
        laws.append({"patch_size": patch} | law_values(law, warned))
        size = sizes(member(family, width=largest, patch_size=patch))["parameters"]
        for images in sorted({row["images"] for row in some}):
            low, high = law.predict_interval(size, images)
            predicted.append(
                {
                    "patch_size": patch, "parameters": size, "images": images,
                    "predicted": law.predict(size, images), "low": low, "high": high,
                }
            )  # fmt: skip
    return {
        "date": now(), "largest": largest, "fit_from": fit_from,
        "laws": laws, "predicted": predicted,
    }  # fmt: skip


def judged(predicted: list[dict], rows: list[dict]) -> list[dict]:
    """Every prediction next to the results of the largest model's runs."""
    return [
        row | {name: one[name] for name in ("predicted", "low", "high")}
        for one in predicted
        for row in rows
        if all(row[name] == one[name] for name in ("patch_size", "images"))
    ]


def slopes_by_time(curves: list[dict], patches: list[int]) -> list[dict]:
    """The slope of log loss over log size in each tenth of the noise level."""
    found = []
    for patch in patches:
        some = [c for c in curves if c["patch_size"] == patch]
        x = np.log([c["parameters"] for c in some])
        y = np.log([c["loss_by_time"] for c in some])  # (runs, BINS)
        slopes = np.polyfit(x, y, 1)[0]
        found += [
            {"patch_size": patch, "t": (b + 0.5) / BINS, "slope": float(slope)}
            for b, slope in enumerate(slopes)
        ]
    return found
