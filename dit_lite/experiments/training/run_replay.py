"""Small runs to compare side by side: rate, warm-up, batch and average, each with its
curve and with samples from its weights.
"""

import math

import torch

from ...config import TrainConfig, preset
from ...data import load_data
from ...diffusion import sample
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...training import EMA, Trainer


@experiment(
    "What do rate, warm-up, batch size and averaging change in a short run?",
    seconds=dict(cpu=300.0, gpu=600.0),
    smoke=dict(
        rates=[1e-2], warm=[0.0], batches=[8], decays=[0.0, 0.9], seeds=[0],
        model=dict(depth=2, width=16, heads=2), images=64, looks=2, held_out_images=20,
    ),
    cpu=dict(
        rates=[1e-3, 4e-3, 1.6e-2, 6.4e-2], warm=[0.0, 0.1], batches=[24, 96],
        decays=[0.0, 0.9, 0.99], seeds=[0, 1, 2],
        model=dict(depth=3, width=32, heads=2),
        images=3840, looks=4, held_out_images=200,
    ),
    gpu=dict(
        rates=[1e-3, 4e-3, 1.6e-2, 6.4e-2], warm=[0.0, 0.1], batches=[24, 96],
        decays=[0.0, 0.9, 0.99, 0.999], seeds=[0, 1, 2],
        model=dict(depth=4, width=64, heads=4),
        images=96_000, looks=5, held_out_images=None,
    ),
)  # fmt: skip
def run_replay(
    parts: Parts, rates: list[float], warm: list[float], batches: list[int],
    seeds: list[int], **settings,
) -> dict:  # fmt: skip
    """All runs see `images` images. One row per rate, share of warm-up, batch size and
    seed: the mean training loss of each twentieth of the run, and at `looks` evenly
    spaced steps the held-out loss by decay; for the first seed also ten digits drawn
    with each average, (decays, looks, 10, 8, 8), pixels 0 to 255.
    """
    cases = grid(seed=seeds, batch_size=batches, warm=warm, lr=rates)
    return {"rows": parts.map(one_run, cases, draws=seeds[0], **settings)}


def one_run(
    lr: float, warm: float, batch_size: int, seed: int, decays: list[float],
    model: dict, images: int, looks: int, draws: int, held_out_images: int | None,
) -> dict:  # fmt: skip
    """Train once, tracking an average for every decay."""
    steps = images // batch_size
    config = TrainConfig(
        data="digits", model=preset("digits", **(load_data("digits").shape | model)),
        steps=steps, batch_size=batch_size, lr=lr, warmup=round(warm * steps),
        seed=seed, label_dropout=0.1, schedule="cosine", ema_decay=0.9, compile=False,
    )  # fmt: skip
    trainer, data = Trainer(config), held_out("digits", held_out_images)
    averages = [EMA(trainer.model, decay) for decay in decays]
    curve, seen, drawn = [], [], []
    every = {round(steps * (i + 1) / looks) for i in range(looks)}
    while trainer.step < steps:
        loss, _ = trainer.train_step()
        curve.append(loss.item())
        for average in averages:
            average.update()
        if trainer.step in every:
            models = [average.model for average in averages]
            seen.append([_finite(mean_loss(m, data, 1)) for m in models])
            if seed == draws:
                drawn.append([pictures(m) for m in models])
    part = max(1, steps // 20)
    return {
        "lr": lr, "warm": warm, "batch_size": batch_size, "seed": seed, "steps": steps,
        "curve": [
            _finite(sum(curve[i : i + part]) / len(curve[i : i + part]))
            for i in range(0, steps, part)
        ],
        "at": sorted(every), "held_out": list(zip(*seen, strict=True)),
        "drawn": list(zip(*drawn, strict=True)) or None,
    }  # fmt: skip


HIGHEST = 1e6  # recorded for a loss that is larger or not finite


def _finite(value: float) -> float:
    return round(value, 4) if math.isfinite(value) and value < HIGHEST else HIGHEST


def pictures(model: torch.nn.Module) -> list:
    """Ten digits as pixels 0 to 255, (10, 8, 8), from the same noise every time."""
    images = sample(
        model, torch.arange(10), steps=10, guidance=1.5, sampler="euler", seed=1
    )
    pixels = ((images.nan_to_num().clamp(-1, 1) + 1) * 127.5).round()
    return pixels[:, 0].to(torch.uint8).tolist()
