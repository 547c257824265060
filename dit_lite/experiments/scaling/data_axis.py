"""Few images, many passes: where the loss stops falling, and what it stops at."""

from ...lab import Parts, experiment, grid
from ._runs import CIFAR10, SHAPES, limited_to, loss_curve, points, run_config
from .scaling_grid import loss_as_trained


@experiment(
    "What do more distinct images buy, compared with more passes over the same ones?",
    seconds=dict(cpu=130.0, gpu=200.0),
    smoke=dict(
        family=SHAPES, distinct=[64, 128], rates=[2e-3, 4e-3], seeds=[0], width=16,
        at=[1, 2], repeats=1, images=64,
    ),
    cpu=dict(
        family=SHAPES, distinct=[64, 640, 9600], rates=[4e-3, 8e-3, 1.6e-2, 3.2e-2],
        seeds=[0, 1, 2], width=32, at=[50, 100, 150, 200, 250, 300], repeats=1,
        images=1000,
    ),
    gpu=dict(
        family=CIFAR10, distinct=[500, 1500, 5000, 15000, 50000],
        rates=[5e-4, 1e-3, 2e-3, 4e-3], seeds=[0, 1], width=256,
        at=[500, 1000, 2000, 4000], repeats=1, images=2000,
    ),
)  # fmt: skip
def data_axis(
    parts: Parts, family: dict, distinct: list[int], rates: list[float],
    seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """Train one model on increasing numbers of the training set's first images, at
    several rates; `rows` are its held-out losses.
    """
    cases = grid(distinct=distinct, lr=rates, seed=seeds)
    return {"rows": points(parts.map(one_run, cases, family=family, **settings))}


def one_run(
    family: dict, distinct: int, lr: float, seed: int, width: int, at: list[int],
    repeats: int, images: int | None,
) -> dict:  # fmt: skip
    """Train on the first `distinct` images; losses after each of `at` steps."""

    config = run_config(family, at[-1], seed, lr, width=width)
    prepare = limited_to(config, distinct)
    return loss_curve(config, at, repeats, images, prepare, loss_as_trained) | {
        "distinct": distinct,
        "lr": lr,
        "seed": seed,
    }
