"""Which size is best for a compute budget? Models of several widths, each trained for
as many images as the budget buys.
"""

import warnings

from ...analysis.scaling_laws import ScalingError, ScalingWarning, isoflop
from ...lab import Parts, experiment, grid
from ...training import DivergedError
from ._runs import CIFAR10, SHAPES, limited_to, loss_curve, member, run_config, sizes
from .scaling_grid import loss_as_trained


@experiment(
    "How does the best size grow with compute?",
    seconds=dict(cpu=420.0, gpu=400.0),
    maps=2,
    smoke=dict(
        family=SHAPES, budgets=[2e8, 4e8], widths=[8, 12, 16, 24], lr=4e-3,
        rates=[2e-3, 4e-3], seeds=[0], drawn=128, repeats=1, images=16,
    ),
    cpu=dict(
        family=SHAPES, budgets=[1e10, 2e10, 4e10], widths=[8, 12, 16, 24, 32],
        lr=8e-3, rates=[2e-3, 4e-3, 8e-3, 1.6e-2], seeds=[0, 1, 2], drawn=100_000,
        repeats=1, images=1000,
    ),
    gpu=dict(
        family=CIFAR10, budgets=[3e14, 1e15, 3e15],
        widths=[64, 96, 128, 192, 256, 384], lr=2e-3, rates=[1e-3, 2e-3, 4e-3],
        seeds=[0, 1], drawn=None, repeats=1, images=2000,
    ),
)  # fmt: skip
def isoflop_budgets(
    parts: Parts, family: dict, budgets: list[float], widths: list[int], lr: float,
    rates: list[float], seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """Train each width for each budget, in FLOPs of forward and backward, at the rate
    `lr` that muP transfers to all of them; then find which of `rates` was best for the
    narrowest and the widest at the middle budget.

    `rows` are the runs; `valley` the parabolas' vertices and the exponent of the best
    size in the compute, with its interval and the fit's warnings; `tuning` losses by
    rate. `drawn` is how many different images there are: more than any run sees, where
    none may repeat.
    """

    def train(budgets: list[float], widths: list[int], rates: list[float]) -> list:
        cases = grid(budget=budgets, width=widths, lr=rates, seed=seeds)
        return parts.map(
            one_run, cases, lambda part: part["budget"] / part["width"] ** 1.6,
            family=family, **settings,
        )  # fmt: skip

    rows = train(budgets, widths, [lr])
    middle = budgets[len(budgets) // 2]
    tuning = train([middle], [widths[0], widths[-1]], rates)
    return {"rows": rows, "valley": valley(rows), "tuning": tuning}


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
        curve = loss_curve(config, [steps], repeats, images, prepare, loss_as_trained)
        loss = curve["losses"][0]
    except DivergedError:
        loss = None
    return size | {
        "budget": budget, "width": width, "lr": lr, "seed": seed,
        "images": steps * config.batch_size, "loss": loss,
    }  # fmt: skip


def valley(rows: list[dict]) -> dict:
    """The vertices, or why there are none; runs that diverged are left out."""
    rows = [row for row in rows if row["loss"] is not None]
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
