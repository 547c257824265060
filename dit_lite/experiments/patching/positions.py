"""What knowing its place is worth to a token."""

from __future__ import annotations

from ...config import CHOICES, TrainConfig
from ...evaluation import evaluate_digits, held_out, mean_loss
from ...lab import Parts, experiment
from ...lab.arms import train_arm


@experiment(
    "What does a model lose that is not told where its tokens are?",
    recipe="digits",
    seconds=dict(cpu=700.0, gpu=300.0),
    smoke=dict(seeds=[0], steps=1, per_class=1),
    cpu=dict(seeds=[0, 1, 2], steps=700, per_class=100),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=None, per_class=100),
)
def positions(
    parts: Parts, seeds: list[int], steps: int | None, per_class: int
) -> dict:
    """The recipe of digits with no positions, a frozen sin-cos table, a learned
    table and rotary positions: loss and unguided samples.
    """
    cases = [
        {"position": position, "seed": seed}
        for position in CHOICES["position"]
        for seed in seeds
    ]
    return {"rows": parts.map(one_position, cases, steps=steps, per_class=per_class)}


def one_position(position: str, seed: int, steps: int | None, per_class: int) -> dict:
    config = TrainConfig(
        data="digits", steps=steps, seed=seed, changes={"position": position}
    )
    model, (loss,) = train_arm(
        config, [config.steps], lambda model: mean_loss(model, held_out("digits"), 4)
    )
    return {"position": position, "seed": seed, "loss": loss} | evaluate_digits(
        model, per_class, 1.0, 25, seed=seed, halvings=2
    ).to_dict()
