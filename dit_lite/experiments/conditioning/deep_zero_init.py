"""Twenty-four blocks that start as the identity or not, with or without gates, at
learning rates up to those at which they diverge.
"""

import math
from typing import NamedTuple

from ...analysis.zero_init import set_modulation
from ...config import TrainConfig
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...training import DivergedError, Trainer


class Start(NamedTuple):
    """Initial values of every modulation; `scale` in the 1+scale form."""

    conditioning: str
    scale: float = 0.0
    shift: float = 0.0
    gate: float | None = None


#: With and without gates, each starting as the identity and as an ordinary block.
STARTS = {
    "gate 0": Start("adaln_zero", gate=0.0),
    "gate 1": Start("adaln_zero", gate=1.0),
    "no gate, identity": Start("adaln", scale=-1.0),
    "no gate": Start("adaln"),
}


@experiment(
    "What do gates and identity initialisation each do for a deep network, and up to "
    "which learning rate does it train?",
    seconds=dict(cpu=200.0, gpu=1200.0),
    smoke=dict(
        seeds=[0],
        rates=[4e-3],
        run=dict(steps=2, batch_size=4, depth=3, width=16, heads=2, patch_size=4),
    ),
    cpu=dict(
        seeds=[0, 1, 2],
        rates=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1],
        run=dict(steps=60, batch_size=32, depth=24, width=32, heads=2, patch_size=4),
    ),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4],
        rates=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1],
        run=dict(steps=1000, batch_size=96, depth=24, width=64, heads=4, patch_size=2),
    ),
)
def deep_zero_init(
    parts: Parts, seeds: list[int], rates: list[float], run: dict
) -> dict:
    """Every start at every rate for each seed, at a constant rate without warm-up or
    clipping.

    Rows hold the held-out loss of the averaged weights. A run has diverged when that
    loss is not finite, or not below the loss of a network that outputs zero.
    """
    cases = grid(seed=seeds, start=STARTS, lr=rates)
    return {"rows": parts.map(one_deep, cases, run=run)}


def one_deep(start: str, lr: float, seed: int, run: dict) -> dict:
    """Train one network from one start."""
    about, chosen = dict(start=start, lr=lr, seed=seed), STARTS[start]
    sizes = {key: run[key] for key in ("depth", "width", "heads", "patch_size")}
    config = TrainConfig(
        data="digits", steps=run["steps"], batch_size=run["batch_size"], lr=lr,
        warmup=0, clip=1e9, schedule="constant", ema_decay=0.95, seed=seed,
        label_dropout=0.1, changes=sizes | dict(conditioning=chosen.conditioning),
    )  # fmt: skip
    data = held_out("digits")
    zero = 1 + data.floats().square().mean().item()  # E (eps - x0)^2 of the output 0

    def prepare(trainer: Trainer) -> None:
        set_modulation(trainer.model, chosen.scale, chosen.shift, chosen.gate)

    try:
        (loss,) = train_arm(
            config, [config.steps], lambda model: mean_loss(model, data, 2), prepare
        )[1]
    except DivergedError:
        loss = math.nan
    return about | {"loss": loss, "diverged": not loss < zero}
