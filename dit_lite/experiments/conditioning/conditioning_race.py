"""Seven ways to condition a network on the time and the class, at equal multiply-adds
and each at its own best learning rate.
"""

import math

import torch

from ...analysis import flops, match_cost
from ...config import DiTConfig, TrainConfig, preset
from ...data import load_data
from ...diffusion import sample
from ...evaluation import class_accuracy, held_out, load_judge, mean_loss, mislabelled
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...model.dit import DiT
from ...training import DivergedError

WAYS = (
    "additive", "in_context", "cross_attention", "film", "adaln", "adaln_zero",
    "adaln_shared",
)  # fmt: skip
DIGITS = dict(
    data="digits",
    preset="digits",
    changes={},
    batch_size=32,
    steps=300,
    rates=[2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2],
    images=None,
    repeats=3,
    per_class=20,
)
#: Long enough that a wrong label costs something: every row includes its penalty.
CIFAR = dict(
    data="cifar10", preset="S/2", changes=dict(width=128, depth=6, heads=4),
    batch_size=256, steps=20_000, rates=[2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3], images=1000,
    repeats=2, per_class=0,
)  # fmt: skip
SMOKE = DIGITS | dict(
    batch_size=8, steps=2, rates=[4e-3], images=40, repeats=1, per_class=1
)


@experiment(
    "Which conditioning learns best, and which follows the class best, when each has "
    "its own learning rate?",
    seconds=dict(cpu=600.0, gpu=14_000.0),
    maps=2,
    smoke=dict(races=[SMOKE], seeds=[0]),
    cpu=dict(races=[DIGITS], seeds=[0, 1, 2, 3]),
    gpu=dict(races=[DIGITS, CIFAR], seeds=[0, 1, 2, 3, 4]),
)
def conditioning_race(parts: Parts, races: list[dict], seeds: list[int]) -> dict:
    """`tuning`: every conditioning at every rate, with a seed that is not used again.
    `rows`: every conditioning at the rate with its lowest held-out loss, for each seed.

    The multiply-adds per image match adaLN-Zero at the race's width within 6 %.
    `wrong_label` is the loss when every label is wrong; for digits `accuracy` and
    `bits` are the judge's readings of samples at guidance 1, and `guided_bits` at
    guidance 2.
    """
    cases = [
        dict(race=race, way=way, lr=lr, seed=max(seeds) + 1)
        for race in races for way in WAYS for lr in race["rates"]
    ]  # fmt: skip
    tuned = parts.map(one_racer, cases, cost=price)
    runs = [case | row for case, row in zip(cases, tuned, strict=True)]
    arms = [
        dict(
            race=race, way=way, seed=seed,
            lr=best_setting(runs, race=race, way=way)["lr"],
        )
        for race in races for seed in seeds for way in WAYS
    ]  # fmt: skip
    return {"tuning": tuned, "rows": parts.map(one_racer, arms, cost=price)}


def price(part: dict) -> float:
    """Proportional to the time of one run."""
    race = part["race"]
    macs = flops(racer(race, part["way"]))["total"].macs
    return race["steps"] * race["batch_size"] * macs


def racer(race: dict, way: str) -> DiTConfig:
    """The model of one arm, at the width that comes closest to the multiply-adds of
    adaLN-Zero.
    """
    shape = load_data(race["data"]).shape | race["changes"]
    goal = flops(preset(race["preset"], **shape))["total"].macs
    config = preset(race["preset"], **shape, conditioning=way)
    return match_cost(config, by="macs", target=goal, tolerance=0.06).config


def one_racer(race: dict, way: str, lr: float, seed: int) -> dict:
    """Train one arm and score it."""
    model, steps = racer(race, way), race["steps"]
    config = TrainConfig(
        data=race["data"], model=model, steps=steps, batch_size=race["batch_size"],
        lr=lr, warmup=min(50, steps // 4), ema_decay=0.99, label_dropout=0.1, seed=seed,
    )  # fmt: skip
    cost = flops(model)["total"]
    about = {
        "data": race["data"], "way": way, "lr": lr, "seed": seed,
        "width": model.width, "parameters": cost.parameters, "macs": cost.macs,
    }  # fmt: skip
    data = held_out(race["data"], race["images"])
    try:
        trained, (loss,) = train_arm(
            config, [steps], lambda model: mean_loss(model, data, race["repeats"])
        )
    except DivergedError:
        loss = math.nan
    if not math.isfinite(loss):
        return about | {"loss": None}
    wrong = mean_loss(trained, mislabelled(data), race["repeats"])
    scores = about | {"loss": loss, "wrong_label": wrong}
    return scores | (judged(trained, seed, n) if (n := race["per_class"]) else {})


@torch.no_grad()
def judged(model: DiT, seed: int, per_class: int) -> dict:
    """Digits drawn without guidance: the share judged correct, and a lower bound on the
    bits of information that an image carries about its class; the same bound at
    guidance 2.

    The bound is H(c) + E log2 q(c | x) with the judge as q (Barber & Agakov 2003): at
    most log2(10) = 3.32 bits.
    """
    labels, judge = torch.arange(10).repeat(per_class), load_judge()

    def drawn(guidance: float) -> tuple[float, float]:
        images = sample(model, labels, 12, guidance, "dpmpp_2m", seed=seed)
        log_share = judge(images).log_softmax(1)[torch.arange(len(labels)), labels]
        bits = math.log2(10) + log_share.mean().item() / math.log(2)
        return class_accuracy(judge, images, labels, 10)[0], bits

    (accuracy, bits), (_, guided_bits) = drawn(1.0), drawn(2.0)
    return {"accuracy": accuracy, "bits": bits, "guided_bits": guided_bits}
