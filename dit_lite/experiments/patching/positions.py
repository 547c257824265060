"""What position information is worth to a token."""

from ...config import CHOICES, TrainConfig
from ...evaluation import evaluate_digits, held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...training import DivergedError

#: The recipe's own rate is the second.
RATES = [4e-3, 8e-3, 1.6e-2, 3.2e-2]


@experiment(
    "What does a model lose without position information for its tokens?",
    recipe="digits",
    seconds=dict(cpu=900.0, gpu=500.0),
    maps=2,
    smoke=dict(seeds=[0], rates=[8e-3], steps=1, per_class=1),
    cpu=dict(seeds=[0, 1, 2], rates=RATES, steps=700, per_class=100),
    gpu=dict(seeds=[0, 1, 2, 3, 4], rates=RATES, steps=None, per_class=100),
)
def positions(
    parts: Parts, seeds: list[int], rates: list[float], steps: int | None,
    per_class: int,
) -> dict:  # fmt: skip
    """The digits recipe with no positions, a frozen sin-cos table, a learned table and
    rotary positions.

    `tuning`: the held-out loss of each at every rate, with a seed that is not used
    again. `rows`: loss and unguided samples at the rate with the lowest loss, for each
    seed.
    """
    kinds = CHOICES["position"]
    sweep = grid(position=kinds, lr=rates, seed=[max(seeds) + 1])
    tuned = parts.map(one_rate, sweep, steps=steps)
    best = {kind: best_setting(tuned, position=kind)["lr"] for kind in kinds}
    arms = grid(position=kinds, seed=seeds)
    cases = [arm | {"lr": best[arm["position"]]} for arm in arms]
    rows = parts.map(one_position, cases, steps=steps, per_class=per_class)
    return {"tuning": tuned, "rows": rows}


def one_rate(position: str, lr: float, seed: int, steps: int | None) -> dict:
    """The held-out loss of one run, None where it diverged."""
    about = {"position": position, "lr": lr, "seed": seed}
    try:
        return about | {"loss": trained(steps=steps, **about)[1]}
    except DivergedError:
        return about | {"loss": None}


def one_position(
    position: str, lr: float, seed: int, steps: int | None, per_class: int
) -> dict:
    """Loss and unguided samples of one run."""
    about = {"position": position, "lr": lr, "seed": seed}
    model, loss = trained(steps=steps, **about)
    samples = evaluate_digits(model, per_class, 1.0, 25, seed=seed, halvings=2)
    return about | {"loss": loss} | samples.to_dict()


def trained(position: str, lr: float, seed: int, steps: int | None) -> tuple:
    """The model of one run, and its held-out loss."""
    config = TrainConfig(
        data="digits", steps=steps, lr=lr, seed=seed, changes={"position": position}
    )
    model, (loss,) = train_arm(
        config, [config.steps], lambda model: mean_loss(model, held_out("digits"), 4)
    )
    return model, loss
