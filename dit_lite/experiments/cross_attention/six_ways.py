"""Six ways to condition on a caption, at matched parameters and each at its own best
rate.
"""

import numpy as np
import torch

from ...analysis import flops, match_cost
from ...config import DiTConfig, TrainConfig, preset
from ...data import load_data
from ...data.shapes import batch
from ...diffusion import sample
from ...evaluation import held_out, mean_loss
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...model.dit import DiT
from ...training import DivergedError

#: One vector, the mean of the words, through two mechanisms; then four that see each
#: word.
WAYS = (
    "adaln_zero", "film", "in_context", "cross_attention", "adaln_zero_cross", "joint",
)  # fmt: skip
SMOKE = dict(
    steps=2, batch_size=4, warmup=1,
    model=dict(width=32, depth=2, heads=2, patch_size=8),
)  # fmt: skip
CPU = dict(
    steps=2500, batch_size=64, warmup=200,
    model=dict(width=64, depth=4, heads=4, patch_size=8, data_std=0.5),
)  # fmt: skip
GPU = dict(
    steps=40_000, batch_size=256, warmup=300,
    model=dict(width=192, depth=6, heads=4, patch_size=4, data_std=0.5),
)  # fmt: skip
#: For Muon, which learns the words in fewer steps than AdamW.
RATES = [2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2]


@experiment(
    "When do tokens for words beat one vector for the caption?",
    seconds=dict(cpu=6000.0, gpu=20_000.0),
    maps=2,
    smoke=dict(run=SMOKE, rates=[1e-3], seeds=[0], images=2, walk=2),
    cpu=dict(run=CPU, rates=RATES, seeds=[0, 1, 2], images=100, walk=12),
    gpu=dict(run=GPU, rates=RATES, seeds=[0, 1, 2], images=1000, walk=25),
)
def six_ways(
    parts: Parts, run: dict, rates: list[float], seeds: list[int], images: int,
    walk: int,
) -> dict:  # fmt: skip
    """`tuning`: every way at every rate, with a seed that is not used again. `rows`:
    every way at the rate with its lowest held-out loss, for each seed.

    Scores are shares of claims that hold in samples at guidance 2.5, for one and two
    objects, with combinations that occur in training ("test") and that do not
    ("unseen"). The number of parameters matches cross-attention with adaLN-Zero at the
    width of `run` within 10 %.
    """
    shared = dict(run=run, images=images, walk=walk)
    tuned = parts.map(
        one_way, grid(way=WAYS, lr=rates, seed=[max(seeds) + 1]), **shared
    )
    best = {way: best_setting(tuned, way=way)["lr"] for way in WAYS}
    arms = [dict(way=w, lr=best[w], seed=seed) for w in WAYS for seed in seeds]
    return {"tuning": tuned, "rows": parts.map(one_way, arms, **shared)}


def way_model(way: str, model: dict) -> DiTConfig:
    """The model of one way, at the width that comes closest to the parameters of
    cross-attention with adaLN-Zero.
    """
    shape = load_data("shapes").shape | model
    goal = flops(preset("S/4", **shape, conditioning="adaln_zero_cross"))["total"]
    config = preset("S/4", **shape, conditioning=way)
    return match_cost(
        config, by="parameters", target=goal.parameters, tolerance=0.1
    ).config


def one_way(way: str, lr: float, seed: int, run: dict, images: int, walk: int) -> dict:
    """Train one way and judge what it draws."""
    config = TrainConfig(
        data="shapes", model=way_model(way, run["model"]), steps=run["steps"],
        batch_size=run["batch_size"], warmup=run["warmup"], lr=lr, seed=seed,
        label_dropout=0.1, ema_decay=0.999, optimiser="muon",
    )  # fmt: skip
    cost = flops(config.model)["total"]
    about = {
        "way": way, "lr": lr, "seed": seed, "width": config.model.width,
        "parameters": cost.parameters, "macs": cost.macs,
    }  # fmt: skip
    try:
        model, _ = train_arm(config, [config.steps], lambda model: None)
    except DivergedError:
        return about | {"loss": None}
    data = held_out("shapes", 50 * images)
    return about | {"loss": mean_loss(model, data, 1)} | judged(model, images, walk)


@torch.no_grad()
def judged(model: DiT, images: int, walk: int) -> dict:
    """{"test, 2 objects, colour": share of claims that hold, ...}."""
    found = {}
    for split in ("test", "unseen"):
        for objects in (1, 2):
            mix = tuple(int(k == objects) for k in (1, 2, 3))
            ids = torch.from_numpy(batch(9, np.arange(images), split, mix).tokens)
            drawn = sample(model, ids, walk, 2.5, "dpmpp_2m")
            report = judge_captions(drawn.cpu(), ids)
            found |= {
                f"{split}, {objects} objects, {row['name']}": row["accuracy"]
                for row in report.rows()
            }
    return found
