"""Does dropping heads in training make them dispensable?"""

from functools import partial

import torch

from ...analysis import drop_heads, without_heads
from ...config import DiTConfig, TrainConfig
from ...data import load_data
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...training import Trainer

RATES = [4e-3, 8e-3, 1.6e-2, 3.2e-2]
SMALL = dict(patch_size=2, width=64, depth=4, heads=4)


@experiment(
    "Does dropping heads in training make a network robust to their loss?",
    seconds=dict(cpu=300.0, gpu=300.0),
    maps=2,
    smoke=dict(rates=[2e-3], seeds=[0], shares=[0.0, 0.25], steps=2, images=8, draws=1),
    cpu=dict(rates=RATES, seeds=[0, 1, 2], shares=[0.0, 0.25], steps=400, images=200,
             draws=4),
    gpu=dict(rates=RATES, seeds=[0, 1, 2], shares=[0.0, 0.1, 0.25, 0.5], steps=4000,
             images=360, draws=20),
)  # fmt: skip
def head_dropout(
    parts: Parts, rates: list[float], seeds: list[int], shares: list[float],
    steps: int, images: int, draws: int,
) -> dict:  # fmt: skip
    """`tuning`: each share of dropped heads at each rate, with a seed that is not used
    again; `rows`: each at its best rate, with its held-out loss, and `losses` (h,), the
    same without 0 to h - 1 random heads in every layer.
    """
    shared = dict(steps=steps, images=images, draws=draws)
    tuned = parts.map(
        one_training, grid(share=shares, lr=rates, seed=[max(seeds) + 1]), **shared
    )
    best = {share: best_setting(tuned, share=share)["lr"] for share in shares}
    arms = [dict(share=s, lr=best[s], seed=seed) for s in shares for seed in seeds]
    return {"tuning": tuned, "rows": parts.map(one_training, arms, **shared)}


def one_training(
    share: float, lr: float, seed: int, steps: int, images: int, draws: int
) -> dict:
    """Train with a share of the heads dropped, then remove heads in every layer."""
    shape = load_data("digits").shape
    config = TrainConfig(
        data="digits", model=DiTConfig(**shape, **SMALL), steps=steps, batch_size=64,
        lr=lr, warmup=steps // 10, seed=seed, label_dropout=0.1, ema_decay=0.99,
    )  # fmt: skip

    def prepare(trainer: Trainer) -> None:
        if share:
            drop_heads(trainer.model, share, seed)

    model, _ = train_arm(config, [steps], lambda model: None, prepare)
    data = held_out("digits", images)
    loss = partial(mean_loss, model.eval(), data, 2)
    generator, without = torch.Generator().manual_seed(seed), []
    h, L = config.model.heads, config.model.depth
    for count in range(h):
        losses = []
        for _ in range(draws if count else 1):
            chosen = {
                i: torch.randperm(h, generator=generator)[:count].tolist()
                for i in range(L)
            }
            with without_heads(model, chosen):
                losses.append(loss())
        without.append(sum(losses) / len(losses))
    return dict(share=share, lr=lr, seed=seed, loss=without[0], losses=without)
