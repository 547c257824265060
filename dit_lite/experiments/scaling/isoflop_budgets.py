"""Which size is best for a compute budget? Models of several widths, each trained for
as many images as the budget buys.
"""

from __future__ import annotations

import warnings
from itertools import product

from ...analysis.scaling_laws import ScalingError, ScalingWarning, isoflop
from ...lab import Parts, experiment
from ...training import DivergedError
from ._runs import CIFAR10, SHAPES, limited_to, loss_curve, member, run_config, sizes


@experiment(
    "How does the best size grow with the compute?",
    seconds=dict(cpu=1000.0, gpu=400.0),
    smoke=dict(
        family=SHAPES, budgets=[4e8, 8e8], widths=[8, 12, 16, 24], rates=[4e-3],
        seeds=[0], drawn=2048, repeats=1, images=64,
    ),
    cpu=dict(
        family=SHAPES, budgets=[2e10, 4e10, 8e10], widths=[12, 16, 24, 32, 48],
        rates=[4e-3, 8e-3, 1.6e-2, 3.2e-2], seeds=[0, 1, 2], drawn=100_000, repeats=1,
        images=1000,
    ),
    gpu=dict(
        family=CIFAR10, budgets=[3e14, 1e15, 3e15],
        widths=[64, 96, 128, 192, 256, 384], rates=[2e-3], seeds=[0, 1], drawn=None,
        repeats=1, images=2000,
    ),
)  # fmt: skip
def isoflop_budgets(
    parts: Parts, family: dict, budgets: list[float], widths: list[int],
    rates: list[float], seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """Train each width for each budget, in FLOPs of forward and backward, at each rate.

    `rows` are the runs, `best` those at the rate that is best for their width and
    budget; `valley` the parabolas' vertices through these and the exponent of the best
    size in the compute, with its interval and what the fit warned of. `drawn` is how
    many different images there are: more than any run sees, where none shall come
    twice.
    """
    grid = [
        dict(budget=budget, width=width, lr=lr, seed=seed)
        for budget, width, lr, seed in product(budgets, widths, rates, seeds)
    ]
    rows = parts.map(
        one_run, grid, lambda part: part["budget"] / (1 + part["width"]),
        family=family, **settings,
    )  # fmt: skip
    chosen = at_best_rate(rows)
    return {"rows": rows, "best": chosen, "valley": valley(chosen)}


def one_run(
    family: dict, budget: float, width: int, lr: float, seed: int,
    drawn: int | None, repeats: int, images: int | None,
) -> dict:  # fmt: skip
    """Train one model with a budget; its loss at the end, None where it diverged."""
    size = sizes(member(family, width=width))
    steps = max(1, round(budget / size["flops_per_image"] / family["batch_size"]))
    config = run_config(family, steps, seed, lr, width=width)
    prepare = limited_to(config, drawn) if drawn else None
    try:
        loss = loss_curve(config, [steps], repeats, images, prepare)["losses"][0]
    except DivergedError:
        loss = None
    return size | {
        "budget": budget, "width": width, "lr": lr, "seed": seed,
        "images": steps * config.batch_size, "loss": loss,
    }  # fmt: skip


def at_best_rate(rows: list[dict]) -> list[dict]:
    """The runs of each width and budget at the rate of their lowest mean loss; a rate
    at which one diverged is none.
    """
    arms: dict[tuple, dict[float, list[dict]]] = {}
    for row in rows:
        arm = arms.setdefault((row["budget"], row["width"]), {})
        arm.setdefault(row["lr"], []).append(row)
    found = []
    for arm in arms.values():
        whole = {
            lr: some for lr, some in arm.items()
            if all(row["loss"] is not None for row in some)
        }  # fmt: skip
        if whole:
            best = min(whole, key=lambda lr: sum(row["loss"] for row in whole[lr]))
            found += [
                row | {"bracketed": min(arm) < best < max(arm)} for row in whole[best]
            ]
    return found


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
