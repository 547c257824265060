"""What came after the paper, one option at a time and all together, at equal time."""

import math
import time

from ...analysis import flops
from ...benchmarks.timing import in_turns, spread
from ...config import DiTConfig, TrainConfig, preset
from ...data import load_data
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment
from ...lab.arms import compiled, train_arm
from ...lab.tuning import best_setting
from ...training import DivergedError, Trainer

#: Changes of the model and of the training run, by option; `none` is the paper's block
#: with the objective of this book.
OPTIONS = {
    "none": dict(model={}, run={}),
    "rope": dict(model={"position": "rope"}, run={}),
    "qk_norm": dict(model={"qk_norm": True}, run={}),
    "swiglu": dict(model={"mlp": "swiglu"}, run={}),
    "long_skips": dict(model={"long_skips": True}, run={}),
    "muon": dict(model={}, run={"optimiser": "muon"}),
    "all": dict(
        model={
            "position": "rope",
            "qk_norm": True,
            "mlp": "swiglu",
            "long_skips": True,
        },
        run={"optimiser": "muon"},
    ),
}
DIGITS = dict(
    data="digits", preset="digits", changes={}, batch_size=96, images=None, repeats=4
)
CIFAR = dict(
    data="cifar10",
    preset="S/4",
    changes=dict(width=256, depth=8, heads=4),
    batch_size=256,
    images=2000,
    repeats=1,
)


@experiment(
    "What do rotary positions, QK-norm, SwiGLU, long skips and Muon gain, each alone "
    "and all together, at equal time?",
    seconds=dict(cpu=1500.0, gpu=900.0),
    maps=3,
    smoke=dict(
        race=DIGITS | dict(batch_size=8, images=60, repeats=1),
        seeds=[0],
        tuning_seed=10,
        rates=[4e-3],
        steps=2,
        rounds=2,
        least=0.0,
    ),
    cpu=dict(
        race=DIGITS,
        seeds=[0, 1, 2],
        tuning_seed=10,
        rates=[8e-3, 1.6e-2, 3.2e-2],
        steps=400,
        rounds=12,
        least=0.2,
    ),
    gpu=dict(
        race=CIFAR,
        seeds=[0, 1, 2],
        tuning_seed=10,
        rates=[5e-4, 1e-3, 2e-3, 4e-3],
        steps=4000,
        rounds=12,
        least=0.5,
    ),
)
def modern_components(
    parts: Parts,
    race: dict,
    seeds: list[int],
    tuning_seed: int,
    rates: list[float],
    steps: int,
    rounds: int,
    least: float,
) -> dict:
    """The arms' steps are timed in alternation; each arm then trains for as long as the
    arm `none` needs for `steps` steps, excluding compilation.

    Every arm uses the rate that was best for it in a run with `tuning_seed`. Rows hold
    the held-out loss of the averaged weights, infinity (null in a record) for a run
    that diverged.
    """
    (timing,) = parts.map(step_times, [{"race": race}], rounds=rounds, least=least)
    arms = {
        name: max(1, round(steps * timing["none"][0] / seconds))
        for name, (seconds, *_) in timing.items()
    }
    cases = [
        dict(race=race, option=name, steps=count, lr=lr, seed=tuning_seed)
        for name, count in arms.items()
        for lr in rates
    ]
    tuning = parts.map(one_run, cases)
    best = {name: best_setting(tuning, option=name)["lr"] for name in arms}
    cases = [
        dict(race=race, option=name, steps=count, lr=best[name], seed=seed)
        for name, count in arms.items()
        for seed in seeds
    ]
    return {"rows": parts.map(one_run, cases), "tuning": tuning, "timing": timing}


def run_config(
    race: dict, option: str, steps: int, lr: float, seed: int
) -> TrainConfig:
    """The run of one arm."""
    chosen = OPTIONS[option]
    model: DiTConfig = preset(
        race["preset"],
        **(load_data(race["data"]).shape | race["changes"] | chosen["model"]),
    )
    return TrainConfig(
        data=race["data"], model=model, steps=steps, batch_size=race["batch_size"],
        lr=lr, warmup=max(1, steps // 20), ema_decay=0.99,
        label_dropout=0.1, seed=seed, compile=compiled(), **chosen["run"],
    )  # fmt: skip


def step_times(race: dict, rounds: int, least: float) -> dict[str, list[float]]:
    """Median and quartiles of the seconds per training step of every arm, measured in
    alternation.
    """
    trainers = {
        name: Trainer(run_config(race, name, 10_000, 1e-3, 0)) for name in OPTIONS
    }
    for trainer in trainers.values():
        trainer.train_step()
    device = next(iter(trainers.values())).device
    found = in_turns(
        {name: trainer.train_step for name, trainer in trainers.items()},
        device,
        rounds,
        least,
    )
    return {name: list(spread(times)) for name, times in found.items()}


def one_run(race: dict, option: str, steps: int, lr: float, seed: int) -> dict:
    """Train one arm; its held-out loss, and what it took."""
    config, data = (
        run_config(race, option, steps, lr, seed),
        held_out(race["data"], race["images"]),
    )
    began = time.perf_counter()
    try:
        _, (loss,) = train_arm(
            config, [steps], lambda model: mean_loss(model, data, race["repeats"])
        )
    except DivergedError:
        loss = math.inf
    seconds = time.perf_counter() - began
    cost = flops(config.model)["total"]
    return {
        "data": race["data"], "option": option, "seed": seed, "lr": lr, "steps": steps,
        "loss": loss if loss == loss else math.inf, "seconds": round(seconds, 1),
        "parameters": cost.parameters, "macs": cost.macs,
    }  # fmt: skip
