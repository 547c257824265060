"""Does a narrow model's best learning rate work for a wide one? The standard
parametrisation compared with muP.
"""

import math

import numpy as np

from ...lab import Parts, experiment, grid
from ...lab.tuning import best_setting
from ...training import DivergedError
from ._runs import CIFAR10, SHAPES, limited_to, loss_curve, run_config


@experiment(
    "How does the best learning rate change with the width, and does muP keep it "
    "constant?",
    seconds=dict(cpu=600.0, gpu=400.0),
    smoke=dict(
        family=SHAPES, widths=[8, 16], rates=[1e-3, 1e-2], seeds=[0], steps=2,
        drawn=64, repeats=1, images=64,
    ),
    cpu=dict(
        family=SHAPES, widths=[16, 32, 64, 128],
        rates=[1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2], seeds=[0, 1, 2],
        steps=200, drawn=6400, repeats=1, images=1000,
    ),
    gpu=dict(
        family=CIFAR10, widths=[64, 128, 256, 512],
        rates=[2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2], seeds=[0, 1], steps=500,
        drawn=None, repeats=1, images=2000,
    ),
)  # fmt: skip
def rate_transfer(
    parts: Parts, family: dict, widths: list[int], rates: list[float],
    seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """Train every width at every rate, in both parametrisations.

    `rows` are the runs (`loss` None where one diverged), `best` the rate with the
    lowest mean loss at each width and whether the sweep brackets it, `drift` the slope
    of its logarithm over that of the width: 0 where it transfers. `drawn` is how many
    different images there are; none repeats where a run sees that many.
    """
    cases = grid(mup=(False, True), width=widths, lr=rates, seed=seeds)
    rows = parts.map(
        one_run, cases, lambda part: 40 + part["width"], family=family, **settings
    )
    best = [best_setting(rows, **arm) for arm in grid(mup=(False, True), width=widths)]
    return {"rows": rows, "best": best, "drift": drift(best)}


def one_run(
    family: dict, mup: bool, width: int, lr: float, seed: int, steps: int,
    drawn: int | None, repeats: int, images: int | None,
) -> dict:  # fmt: skip
    """Train one model; its loss at the end, or None."""
    base = family["model"]["base_width"] if mup else None
    config = run_config(family, steps, seed, lr, width=width, base_width=base)
    prepare = limited_to(config, drawn) if drawn else None
    row = {"mup": mup, "width": width, "lr": lr, "seed": seed, "loss": None}
    try:
        loss = loss_curve(config, [steps], repeats, images, prepare)["losses"][0]
    except DivergedError:
        return row
    return row | {"loss": loss if math.isfinite(loss) else None}


def drift(best: list[dict]) -> list[dict]:
    """How the best rate moves: d log lr / d log width."""
    found = []
    for mup in (False, True):
        some = [one for one in best if one["mup"] == mup]
        x, y = (np.log([one[name] for one in some]) for name in ("width", "lr"))
        found.append({"mup": mup, "slope": float(np.polyfit(x, y, 1)[0])})
    return found
