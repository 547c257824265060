"""A sampling budget: a small model with many steps, or a large one with few?"""

import torch

from ...diffusion import sample
from ...evaluation import extract, load_extractor, make_reference, measure, real_images
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...training import DivergedError
from ._runs import DIGITS, loss_curve, run_config, sizes


@experiment(
    "What is the best way to spend a sampling budget?",
    seconds=dict(cpu=420.0),
    maps=2,
    smoke=dict(
        family=DIGITS, widths=[8, 16], sampling_steps=[1, 2], rates=[2e-3, 4e-3],
        seeds=[0], steps=2, per_class=14,
    ),
    cpu=dict(
        family=DIGITS, widths=[16, 32, 64], sampling_steps=[2, 4, 8, 16, 32],
        rates=[4e-3, 8e-3, 1.6e-2, 3.2e-2], seeds=[0, 1, 2], steps=300, per_class=50,
    ),
)  # fmt: skip
def steps_or_size(
    parts: Parts, family: dict, widths: list[int], rates: list[float],
    seeds: list[int], sampling_steps: list[int], per_class: int, **settings,
) -> dict:  # fmt: skip
    """Train each width at each rate, then sample from the models at the best rate with
    few and many steps; `tuning` are held-out losses by rate, `rows` scores and
    multiply-adds per sample, `front` the choices that nothing cheaper beats.
    """

    def cost(part: dict) -> float:
        return 40 + part["width"]

    sweep = grid(width=widths, lr=rates, seed=seeds)
    tuning = parts.map(one_rate, sweep, cost, family=family, **settings)
    lr = {w: best_setting(tuning, width=w)["lr"] for w in widths}
    arms = [a | {"lr": lr[a["width"]]} for a in grid(width=widths, seed=seeds)]
    settings |= dict(sampling_steps=sampling_steps, per_class=per_class)
    rows = parts.rows(one_model, arms, cost, family=family, **settings)
    return {"tuning": tuning, "rows": rows, "front": front(rows)}


def one_rate(family: dict, width: int, lr: float, seed: int, steps: int) -> dict:
    """Train one model; its held-out loss at the end, None where it diverged."""
    row = {"width": width, "lr": lr, "seed": seed}
    config = run_config(family, steps, seed, lr, width=width)
    try:
        return row | {"loss": loss_curve(config, [steps], 1, None)["losses"][0]}
    except DivergedError:
        return row | {"loss": None}


def one_model(
    family: dict, width: int, lr: float, seed: int, sampling_steps: list[int],
    steps: int, per_class: int,
) -> list[dict]:  # fmt: skip
    """Train one model; a row for each number of sampling steps."""
    config = run_config(family, steps, seed, lr, width=width)
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
            {"width": width, "lr": lr, "seed": seed, "sampling_steps": count}
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
