"""Do larger models follow the class better, and does size trade precision for recall?
Models of several widths, sampled in the same way.
"""

import torch

from ...analysis import SHAPES, fit_shape, flops, rank_correlation, slope
from ...config import TrainConfig
from ...diffusion import sample
from ...evaluation import (
    bootstrap,
    extract,
    held_out,
    load_extractor,
    make_reference,
    mean_loss,
    measure,
    mislabelled,
    real_images,
)
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm

SCORES = ("accuracy", "precision", "recall", "coverage", "Inception")


@experiment(
    "How does a model's size affect class accuracy, precision and recall, beyond its "
    "effect on the loss?",
    recipe="digits",
    seconds=dict(cpu=900.0, gpu=1200.0),
    smoke=dict(
        widths=[4, 8],
        seeds=[0, 1, 2],
        guidances=[1.0],
        steps=1,
        batch_size=32,
        per_class=7,
        sampling_steps=1,
        repeats=1,
    ),
    cpu=dict(
        widths=[16, 24, 32, 48, 64],
        seeds=[0, 1, 2, 3, 4],
        guidances=[1.0, 1.5],
        steps=500,
        batch_size=32,
        per_class=40,
        sampling_steps=8,
        repeats=2,
    ),
    gpu=dict(
        widths=[8, 16, 32, 64, 128],
        seeds=[0, 1, 2, 3, 4],
        guidances=[1.0, 1.5],
        steps=1000,
        batch_size=96,
        per_class=100,
        sampling_steps=20,
        repeats=4,
    ),
)
def size_and_class(
    parts: Parts,
    widths: list[int],
    seeds: list[int],
    guidances: list[float],
    **settings,
) -> dict:
    """Train digits models that differ in width and seed, with equal data and steps;
    measure their samples and the cost of a wrong label.

    `slopes` are per doubling of the width, `partial` rank correlations with the width,
    plain and given the held-out loss, both with intervals over models; `shapes` say how
    well three curves fit the accuracy, by Akaike's criterion minus its best value.
    """

    def cost(part: dict) -> float:
        return 20 + part["width"]

    cases = grid(seed=seeds, width=widths)
    rows = parts.rows(one_model, cases, cost, guidances=guidances, **settings)
    by_guidance = {w: [row for row in rows if row["guidance"] == w] for w in guidances}
    readings = {"slopes": slopes, "partial": correlations, "shapes": shapes}
    return {"rows": rows} | {
        name: [
            {"guidance": w} | line
            for w, some in by_guidance.items()
            for line in reading(some)
        ]
        for name, reading in readings.items()
    }


def one_model(
    width: int,
    seed: int,
    guidances: list[float],
    steps: int,
    batch_size: int,
    per_class: int,
    sampling_steps: int,
    repeats: int,
) -> list[dict]:
    """Train one model; a row for each guidance."""
    config = TrainConfig(
        data="digits",
        changes={"width": width},
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
    data = held_out("digits")
    model, (loss,) = train_arm(
        config, [steps], lambda model: mean_loss(model, data, repeats)
    )
    wrong = mean_loss(model, mislabelled(data), repeats)
    extractor, labels = (
        load_extractor("digits-judge"),
        torch.arange(10).repeat(per_class),
    )
    reference = make_reference("training digits", *real_images("train"), extractor)
    rows = []
    for guidance in guidances:
        images = sample(model, labels, sampling_steps, guidance, "dpmpp_2m", seed)
        scores = measure(
            "samples", reference, extract(extractor, images), labels, SCORES, repeats=20
        ).values
        row = {
            "width": width,
            "seed": seed,
            "parameters": flops(model.config)["total"].parameters,
            "loss": loss,
            "wrong_loss": wrong,
        }
        rows.append(
            row
            | {"penalty": wrong - loss, "guidance": guidance}
            | {name: score.value for name, score in scores.items()}
        )
    return rows


def slopes(rows: list[dict]) -> list[dict]:
    """How much each score rises per doubling of the width, and how much faster
    precision rises than recall.
    """
    doublings = column(rows, "width").log2()
    columns = {name: column(rows, name) for name in ("loss", "penalty", *SCORES)}
    columns["precision - recall"] = columns["precision"] - columns["recall"]
    found = {
        name: bootstrap(slope, doublings, values) for name, values in columns.items()
    }
    return [
        {"score": name, "slope": one.value, "low": one.low, "high": one.high}
        for name, one in found.items()
    ]


def correlations(rows: list[dict]) -> list[dict]:
    """Rank correlation of the width with accuracy and with the wrong-label penalty,
    plain and given the loss.
    """
    width, loss = column(rows, "width"), column(rows, "loss")
    found = []
    for name in ("accuracy", "penalty"):
        plain = bootstrap(rank_correlation, width, column(rows, name))
        partial = bootstrap(rank_correlation, width, column(rows, name), loss)
        line = {
            "score": name,
            "plain": plain.value,
            "plain_low": plain.low,
            "plain_high": plain.high,
        }
        found.append(
            line
            | {
                "partial": partial.value,
                "partial_low": partial.low,
                "partial_high": partial.high,
            }
        )
    return found


def shapes(rows: list[dict]) -> list[dict]:
    """Which of three curves fits the accuracy best over the width."""
    fits = [
        fit_shape(shape, column(rows, "width"), column(rows, "accuracy"))
        for shape in SHAPES
    ]
    best = min(fit.aic for fit in fits)
    return [
        {
            "score": "accuracy",
            "shape": fit.shape,
            "aic": fit.aic - best,
            "residual": fit.residual,
        }
        for fit in fits
    ]


def column(rows: list[dict], name: str) -> torch.Tensor:
    """One number of every row."""
    return torch.tensor([row[name] for row in rows], dtype=torch.float64)
