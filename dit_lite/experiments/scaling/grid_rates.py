"""Was a prediction of the grid wrong because of the law, or of the learning rate? The
same recipe at several rates.
"""

from ...lab import Parts, experiment, grid
from ...training import DivergedError
from ._runs import SHAPES, points
from .scaling_grid import judged, one_run, predict


@experiment(
    "Does the learning rate decide whether a law predicts the largest model?",
    seconds=dict(cpu=500.0, gpu=500.0),
    smoke=dict(
        family=SHAPES, patch_size=16, widths=[16, 32, 64], seeds=[0], at=[1, 2, 3, 4],
        rates=[2e-3], fit_from=64, repeats=1, images=32,
    ),
    cpu=dict(
        family=SHAPES, patch_size=16, widths=[16, 24, 32, 48, 64, 96],
        seeds=[0, 1, 2], at=[100, 200, 300, 400, 500, 600, 800],
        rates=[8e-3, 1.6e-2, 3.2e-2, 6.4e-2], fit_from=9600, repeats=1, images=1000,
    ),
    gpu=dict(
        family=SHAPES, patch_size=16, widths=[64, 96, 128, 192, 256, 384, 512],
        seeds=[0, 1, 2], at=[250, 500, 1000, 2000, 4000],
        rates=[2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2], fit_from=32_000, repeats=1,
        images=1000,
    ),
)  # fmt: skip
def grid_rates(
    parts: Parts, family: dict, patch_size: int, widths: list[int], seeds: list[int],
    at: list[int], rates: list[float], fit_from: int, **settings,
) -> dict:  # fmt: skip
    """Train one patch size of `scaling_grid` at every rate, fit its law to all widths
    but the largest, and compare it with that.

    `rows` are the losses by run and images, each with its `lr`; `laws` the law of each
    rate; `held_out` its predictions beside the runs of the largest width. Rates at
    which a run diverged have no law.
    """
    cases = grid(lr=rates, width=widths, seed=seeds)
    found = parts.map(
        one_curve, cases, lambda part: 40 + part["width"],
        family=family, patch_size=patch_size, at=at, **settings,
    )  # fmt: skip
    rows, laws, held = [], [], []
    for lr in rates:
        curves = [c["curve"] for c in found if c["lr"] == lr]
        if None in curves:
            continue
        small = [c for c in curves if c["width"] != widths[-1]]
        large = [c for c in curves if c["width"] == widths[-1]]
        ahead = predict(family, small, widths[-1], fit_from)
        rows += [row | {"lr": lr} for row in points(curves)]
        laws += [law | {"lr": lr} for law in ahead["laws"]]
        held += [row | {"lr": lr} for row in judged(ahead["predicted"], points(large))]
    return {"rows": rows, "laws": laws, "held_out": held}


def one_curve(lr: float, **run) -> dict:
    """One run of the grid, None where it diverged."""
    try:
        return {"lr": lr, "curve": one_run(lr=lr, **run)}
    except DivergedError:
        return {"lr": lr, "curve": None}
