"""A price for a sample: a small model with many steps, or a large one with few?"""

from __future__ import annotations

from itertools import chain, product

import torch

from ...diffusion import sample
from ...evaluation import extract, load_extractor, make_reference, measure, real_images
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ._runs import DIGITS, run_config, sizes


@experiment(
    "What is the best way to spend a budget of sampling?",
    seconds=dict(cpu=1800.0),
    smoke=dict(
        family=DIGITS, widths=[8, 16], sampling_steps=[1, 2], seeds=[0], steps=2,
        per_class=14,
    ),
    cpu=dict(
        family=DIGITS, widths=[16, 32, 64, 128], sampling_steps=[2, 4, 8, 16, 32],
        seeds=[0, 1, 2], steps=800, per_class=100,
    ),
)  # fmt: skip
def steps_or_size(
    parts: Parts, family: dict, widths: list[int], seeds: list[int], **settings
) -> dict:
    """Train each width alike, sample with few and many steps; `rows` are scores and
    multiply-adds per sample, `front` those that nothing cheaper beats.
    """
    grid = [dict(width=w, seed=seed) for w, seed in product(widths, seeds)]
    cost = lambda part: 40 + part["width"]  # noqa: E731
    rows = list(chain(*parts.map(one_model, grid, cost, family=family, **settings)))
    return {"rows": rows, "front": front(rows)}


def one_model(
    family: dict, width: int, seed: int, sampling_steps: list[int], steps: int,
    per_class: int,
) -> list[dict]:  # fmt: skip
    """Train one model; a row for each number of sampling steps."""
    config = run_config(family, steps, seed, width=width)
    model, _ = train_arm(config, [steps], lambda average: None)
    labels = torch.arange(10).repeat(per_class)
    extractor = load_extractor("digits-judge")
    reference = make_reference("training digits", *real_images("train"), extractor)
    rows = []
    for count in sampling_steps:
        images = sample(model, labels, count, 1.0, "euler", seed)
        scores = measure(
            "samples", reference, extract(extractor, images), labels, SCORES, repeats=20
        ).values
        rows.append(
            {"width": width, "seed": seed, "sampling_steps": count}
            | {"sample_macs": count * sizes(model.config)["macs"]}
            | {name: score.value for name, score in scores.items()}
        )
    return rows


SCORES = ("accuracy", "Fréchet")


def front(rows: list[dict]) -> list[dict]:
    """Mean scores of each choice, where none with fewer multiply-adds is better."""
    choices: dict[tuple, list[dict]] = {}
    for row in rows:
        choices.setdefault((row["width"], row["sampling_steps"]), []).append(row)
    means = sorted(
        (
            {
                "width": width, "sampling_steps": count,
                "sample_macs": some[0]["sample_macs"],
                "distance": sum(r[SCORES[1]] for r in some) / len(some),
            }
            for (width, count), some in choices.items()
        ),
        key=lambda one: one["sample_macs"],
    )  # fmt: skip
    best, found = float("inf"), []
    for one in means:
        if one["distance"] < best:
            best = one["distance"]
            found.append(one)
    return found
