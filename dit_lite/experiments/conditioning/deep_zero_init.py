"""Twenty-four blocks, with and without gates, at rates that hurt."""

from __future__ import annotations

from ...config import TrainConfig
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...training import DivergedError


@experiment(
    "Do gates that start at zero let a deep network train at a high learning rate?",
    seconds=dict(cpu=600.0, gpu=600.0),
    smoke=dict(seeds=[0], steps=4, depth=24, width=16, rates=[4e-3]),
    cpu=dict(
        seeds=[0, 1, 2], steps=200, depth=24, width=32, rates=[1e-3, 4e-3, 1.6e-2]
    ),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4],
        steps=1000,
        depth=24,
        width=64,
        rates=[1e-3, 4e-3, 1.6e-2],
    ),
)
def deep_zero_init(
    parts: Parts,
    seeds: list[int],
    steps: int,
    depth: int,
    width: int,
    rates: list[float],
) -> dict:
    """adaLN against adaLN-Zero at depth 24 without warm-up and without clipping. A
    run has diverged when its loss is not finite, or ends above that of a network
    that answers zero.
    """
    cases = [
        {"conditioning": name, "lr": lr, "seed": seed}
        for name in ("adaln", "adaln_zero")
        for lr in rates
        for seed in seeds
    ]
    return {"rows": parts.map(one_deep, cases, steps=steps, depth=depth, width=width)}


def one_deep(
    conditioning: str, lr: float, seed: int, steps: int, depth: int, width: int
) -> dict:
    config = TrainConfig(
        data="digits", steps=steps, batch_size=64, lr=lr, warmup=0, clip=1e9,
        schedule="constant", seed=seed,
        changes=dict(depth=depth, width=width, conditioning=conditioning),
    )  # fmt: skip
    data = held_out("digits")
    # E (eps - x0)^2 of the answer zero
    zero = 1 + data.floats().square().mean().item()
    at = sorted({max(1, steps * i // 6) for i in range(1, 7)})
    try:
        losses = train_arm(config, at, lambda model: mean_loss(model, data, 2))[1]
    except DivergedError:
        losses = []
    diverged = not losses or not losses[-1] < zero
    return {
        "conditioning": conditioning,
        "lr": lr,
        "seed": seed,
        "at": at,
        "loss": losses,
        "diverged": bool(diverged),
    }
