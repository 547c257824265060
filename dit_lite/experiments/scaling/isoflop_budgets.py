"""Which size is best for a compute budget? Models of several widths, each trained for
as many images as the budget buys.
"""

from __future__ import annotations

import warnings
from itertools import product

from ...analysis.scaling_laws import ScalingError, ScalingWarning, isoflop
from ...lab import Parts, experiment
from ._runs import CIFAR10, SHAPES, loss_curve, member, run_config, sizes


@experiment(
    "How does the best size grow with the compute?",
    seconds=dict(cpu=2400.0, gpu=400.0),
    smoke=dict(
        family=SHAPES, budgets=[4e8, 8e8], widths=[8, 12, 16, 24], seeds=[0],
        repeats=1, images=64,
    ),
    cpu=dict(
        family=SHAPES, budgets=[5e10, 1e11, 2e11], widths=[16, 24, 32, 48, 64, 96],
        seeds=[0, 1, 2], repeats=1, images=1000,
    ),
    gpu=dict(
        family=CIFAR10, budgets=[3e14, 1e15, 3e15],
        widths=[64, 96, 128, 192, 256, 384], seeds=[0, 1], repeats=1, images=2000,
    ),
)  # fmt: skip
def isoflop_budgets(
    parts: Parts, family: dict, budgets: list[float], widths: list[int],
    seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """Train each width for each budget, in FLOPs of forward and backward.

    `rows` are the runs; `valley` the parabolas' vertices and the exponent of the best
    size in the compute, with its interval and what the fit warned of.
    """
    grid = [
        dict(budget=budget, width=width, seed=seed)
        for budget, width, seed in product(budgets, widths, seeds)
    ]
    rows = parts.map(
        one_run, grid, lambda part: part["budget"], family=family, **settings
    )
    return {"rows": rows, "valley": valley(rows)}


def one_run(
    family: dict, budget: float, width: int, seed: int, repeats: int,
    images: int | None,
) -> dict:  # fmt: skip
    """Train one model with a budget; its loss at the end."""
    per_step = sizes(member(family, width=width))["flops_per_image"]
    steps = max(1, round(budget / per_step / family["batch_size"]))
    config = run_config(family, steps, seed, width=width)
    curve = loss_curve(config, [steps], repeats, images)
    return curve | {
        "budget": budget, "width": width, "seed": seed,
        "images": curve["images"][0], "loss": curve["losses"][0],
    }  # fmt: skip


def valley(rows: list[dict]) -> dict:
    """The vertices, or why there are none."""
    columns = [[row[name] for row in rows] for name in ("budget", "parameters", "loss")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScalingWarning)
        try:
            found = isoflop(*columns)
        except ScalingError as error:
            return {"refused": str(error)}
    return {
        "compute": found.compute.tolist(),
        "parameters": found.parameters.tolist(),
        "exponent": found.exponent,
        **found.interval()._asdict(),
        "warnings": [str(w.message) for w in caught],
    }
