"""What a patch size is worth at equal multiply-adds, each at its own best batch size
and learning rate.
"""

import math
from itertools import product

import torch

from ...analysis import border_roughness, flops
from ...config import TrainConfig, preset
from ...data import Dataset, load_data
from ...diffusion import sample
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...model.dit import DiT
from ...training import DivergedError

#: `batches` by patch size. `images` is how many the second patch size sees; the other
#: sizes see as many as cost the same.
DIGITS = dict(
    data="digits",
    batches={"1": [1, 2, 6, 12], "2": [1, 3, 6, 24], "4": [2, 6, 12, 48]},
    rates=[2e-3, 4e-3, 8e-3, 1.6e-2], images=8_000, shown=None, repeats=3,
    model=dict(width=64, depth=4, heads=4),
)  # fmt: skip
CIFAR = dict(
    data="cifar10",
    batches={"2": [32, 64, 128], "4": [64, 128, 256], "8": [128, 256, 512]},
    rates=[5e-4, 1e-3, 2e-3, 4e-3], images=1_000_000, shown=1000, repeats=2,
    model=dict(width=256, depth=6, heads=4),
)  # fmt: skip
SMOKE = DIGITS | dict(
    batches={"2": [8], "4": [8, 16]}, rates=[4e-3], images=16, shown=40, repeats=1
)


@experiment(
    "What is a patch size worth at equal multiply-adds, when each has its own batch "
    "size and learning rate?",
    seconds=dict(cpu=1500.0, gpu=12_000.0),
    maps=2,
    smoke=dict(races=[SMOKE], seeds=[0]),
    cpu=dict(races=[DIGITS], seeds=[0, 1, 2]),
    gpu=dict(races=[DIGITS | dict(images=48_000), CIFAR], seeds=[0, 1, 2, 3, 4]),
)
def patch_sizes(parts: Parts, races: list[dict], seeds: list[int]) -> dict:
    """`tuning`: every patch size with every batch and rate, with a seed that is not
    used again. `rows`: every patch size with the batch and rate that gave its lowest
    held-out loss, for each seed.

    All runs of a race make the same number of multiply-adds. `seam` is how much rougher
    samples are across the borders of patches than inside.
    """
    cases = [
        dict(race=race, patch=int(patch), batch_size=batch, lr=lr, seed=max(seeds) + 1)
        for race in races for patch, batches in race["batches"].items()
        for batch in batches for lr in race["rates"]
    ]  # fmt: skip
    tuned = parts.map(one_patch, cases)
    runs = [case | row for case, row in zip(cases, tuned, strict=True)]
    arms = []
    for race, seed in product(races, seeds):
        for patch in map(int, race["batches"]):
            best = best_setting(runs, ("batch_size", "lr"), race=race, patch=patch)
            own = dict(batch_size=best["batch_size"], lr=best["lr"])
            arms.append(dict(race=race, patch=patch, seed=seed, **own))
    return {"tuning": tuned, "rows": parts.map(one_patch, arms)}


def multiply_adds(race: dict, patch: int) -> float:
    """The multiply-adds of a forward pass of one image."""
    shape = load_data(race["data"]).shape
    return flops(preset("S/2", **shape, **race["model"], patch_size=patch))[
        "total"
    ].macs


def config(
    race: dict, patch: int, batch_size: int, lr: float, seed: int
) -> TrainConfig:
    """The run of one arm: as many images as its share of the multiply-adds buys."""
    second = int(list(race["batches"])[1])
    images = race["images"] * multiply_adds(race, second) / multiply_adds(race, patch)
    steps = max(1, round(images / batch_size))
    return TrainConfig(
        data=race["data"], preset="S/2", changes=race["model"] | {"patch_size": patch},
        steps=steps, batch_size=batch_size, lr=lr, warmup=steps // 10, ema_decay=0.99,
        label_dropout=0.1, seed=seed,
    )  # fmt: skip


def one_patch(race: dict, patch: int, batch_size: int, lr: float, seed: int) -> dict:
    """Train one arm and score it."""
    run = config(race, patch, batch_size, lr, seed)
    about = {
        "data": race["data"], "patch": patch, "batch_size": batch_size, "lr": lr,
        "seed": seed, "steps": run.steps, "macs": multiply_adds(race, patch),
    }  # fmt: skip
    data = held_out(race["data"], race["shown"])
    try:
        model, (loss,) = train_arm(
            run, [run.steps], lambda model: mean_loss(model, data, race["repeats"])
        )
    except DivergedError:
        loss = math.nan
    if not math.isfinite(loss):
        return about | {"loss": None}
    return about | {"loss": loss, "seam": seam(model, data, seed)}


def seam(model: DiT, real: Dataset, seed: int, images: int = 200) -> float | None:
    """Roughness at the borders of patches in unguided samples, over that of real
    images at the same places; None where there are no borders.
    """
    config = model.config
    if not 1 < config.patch_size < config.image_size:
        return None
    labels = torch.arange(images) % config.num_classes
    made = sample(model, labels, steps=12, guidance=1.0, sampler="dpmpp_2m", seed=seed)
    patch = config.patch_size
    return border_roughness(made, patch) / border_roughness(real.floats(), patch)
