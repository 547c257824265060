"""A grid of sizes, patches and seeds: laws fitted to the smaller models, and a
prediction of the largest that is recorded before it is trained.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ...evaluation import held_out
from ...evaluation.validation import validation_loss
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...lab.provenance import now
from ._runs import CIFAR10, DIGITS, fitted, law_values, points, run_config, sizes

BINS = 10  # of the noise level


@experiment(
    "What law does the loss follow in size and images, and does it predict the largest "
    "model before that is trained?",
    seconds=dict(cpu=9000.0, gpu=720.0),
    maps=3,
    smoke=dict(
        family=DIGITS, widths=[16, 32, 64], patches=[2, 4], seeds=[0],
        at=[1, 2, 3], repeats=1, images=64,
    ),
    cpu=dict(
        family=DIGITS, widths=[16, 24, 32, 48, 64, 96, 128], patches=[1, 2, 4],
        seeds=[0, 1, 2], at=[100, 200, 400, 800], repeats=8, images=None,
    ),
    gpu=dict(
        family=CIFAR10, widths=[64, 96, 128, 192, 256, 384, 512], patches=[2, 4, 8],
        seeds=[0, 1, 2], at=[125, 250, 500, 1000, 2000], repeats=1, images=2000,
    ),
)  # fmt: skip
def scaling_grid(
    parts: Parts, family: dict, widths: list[int], patches: list[int],
    seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """Train every size but the largest, fit a law per patch and record what it says of
    the largest; then train that.

    `rows` are losses by run and images; `predictions` the law, its intervals and what
    it predicts, with the date; `held_out` what the largest did; `loss_by_time` the
    slopes of the loss over size in tenths of the noise level.
    """

    def grid(some: list[int]) -> list[dict]:
        return [
            dict(width=width, patch_size=patch, seed=seed)
            for patch, width, seed in product(patches, some, seeds)
        ]

    def cost(part: dict) -> float:
        # at small widths the overhead of a step rules
        return (40 + part["width"]) ** 2 / part["patch_size"] ** 2

    small = parts.map(one_run, grid(widths[:-1]), cost, family=family, **settings)
    ahead = parts.map(predict, [dict(curves=small, largest=grid(widths[-1:])[:1])])
    large = parts.map(one_run, grid(widths[-1:]), cost, family=family, **settings)
    rows = points(small + large)
    return {
        "rows": rows,
        "predictions": ahead[0],
        "held_out": judged(ahead[0]["laws"], points(large)),
        "loss_by_time": slopes_by_time(small + large, patches),
    }


def one_run(
    family: dict, width: int, patch_size: int, seed: int, at: list[int], repeats: int,
    images: int | None,
) -> dict:  # fmt: skip
    """Train one model: its sizes, its losses after each of `at` steps, and the last one
    by noise level.
    """
    config = run_config(family, at[-1], seed, width=width, patch_size=patch_size)
    data = held_out(config.data, images)
    model, looks = train_arm(
        config, at, lambda average: validation_loss(average, data, repeats)
    )
    t, last = looks[-1]
    place = (t * BINS).long().clamp(max=BINS - 1)
    return sizes(model.config) | {
        "width": width,
        "patch_size": patch_size,
        "seed": seed,
        "images": [stop * config.batch_size for stop in at],
        "losses": [loss.mean().item() for _, loss in looks],
        "loss_by_time": [last[place == b].mean().item() for b in range(BINS)],
    }


def predict(curves: list[dict], largest: list[dict]) -> dict:
    """A law for each patch, with its date: what is known before the largest runs."""
    rows, laws = points(curves), []
    for patch in sorted({row["patch_size"] for row in rows}):
        law, warned = fitted([row for row in rows if row["patch_size"] == patch])
        laws.append({"patch_size": patch} | law_values(law, warned))
        laws[-1] |= {"before": largest[0]["width"]}
    return {"date": now(), "laws": laws, "curves": rows}


def judged(laws: list[dict], rows: list[dict]) -> list[dict]:
    """What a law says of each of the largest model's losses, and what it was."""
    from ...analysis.scaling_laws import Curve

    found = []
    for law in laws:
        curve = Curve(*(law[n]["value"] for n in ("E", "A", "alpha", "B", "beta")))
        for row in rows:
            if row["patch_size"] == law["patch_size"]:
                predicted = curve.predict(row["parameters"], row["images"])
                found.append(row | {"predicted": predicted})
    return found


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
