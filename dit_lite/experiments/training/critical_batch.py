"""How large a batch pays off on the digits: the gradient-noise scale during training,
and the steps that each batch size actually needs.
"""

import math

import torch

from ...config import TrainConfig, preset
from ...data import load_data
from ...diffusion import diffusion_loss, to_model_units
from ...diffusion.times import draw_times
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...training import Trainer
from ...training.critical_batch import gradient_noise
from ...training.underflow import gradients


@experiment(
    "Does the gradient-noise scale predict how large a batch pays off?",
    seconds=dict(cpu=500.0, gpu=600.0),
    maps=2,
    smoke=dict(
        model=dict(depth=2, width=16, heads=2), batches=[8, 16], rates=[1e-2],
        seeds=[0], target=1.9, most=20, every=5, noise_at=[0, 5], parts_of=4, images=20,
    ),
    cpu=dict(
        model=dict(depth=2, width=32, heads=2), batches=[8, 24, 72, 216],
        rates=[5e-3, 1.2e-2, 3e-2, 7.5e-2], seeds=[0, 1, 2], target=0.75, most=12_960,
        every=5, noise_at=[0, 20, 50, 100], parts_of=16, images=150,
    ),
    gpu=dict(
        model=dict(depth=4, width=64, heads=4),
        batches=[16, 32, 64, 128, 256, 512], rates=[4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2],
        seeds=[0, 1, 2], target=0.5, most=256_000, every=10,
        noise_at=[0, 50, 200, 500, 1000], parts_of=32, images=None,
    ),
)  # fmt: skip
def critical_batch(
    parts: Parts, model: dict, batches: list[int], rates: list[float],
    seeds: list[int], target: float, most: int, every: int, noise_at: list[int],
    parts_of: int, images: int | None,
) -> dict:  # fmt: skip
    """`rows`: steps until the averaged weights reach the held-out loss `target`,
    checked after every `every` steps, by batch size, rate and seed; null where `most`
    images were not enough. `noise`: squared norm of the gradient, trace of its
    covariance and their ratio at the steps `noise_at` of a run with the second rate,
    from `parts_of` batches.
    """
    shared = dict(model=model, images=images)
    cases = grid(seed=seeds, batch_size=batches, lr=rates)
    rows = parts.map(
        steps_to_target, cases, target=target, most=most, every=every, **shared
    )
    noise = parts.rows(
        noise_on_the_way, grid(seed=seeds), model=model,
        lr=rates[min(1, len(rates) - 1)], at=noise_at, parts_of=parts_of,
    )  # fmt: skip
    return {"rows": rows, "noise": noise}


def _config(model: dict, batch: int, lr: float, seed: int, steps: int) -> TrainConfig:
    return TrainConfig(
        data="digits", model=preset("digits", **(load_data("digits").shape | model)),
        steps=steps, batch_size=batch, lr=lr, warmup=10, schedule="constant",
        seed=seed, label_dropout=0.1, ema_decay=0.9, compile=False,
    )  # fmt: skip


def steps_to_target(
    batch_size: int, lr: float, seed: int, model: dict, images: int | None,
    target: float, most: int, every: int,
) -> dict:  # fmt: skip
    """Train until the held-out loss is reached or the images are used up."""
    steps, data = max(every, most // batch_size), held_out("digits", images)
    trainer = Trainer(_config(model, batch_size, lr, seed, max(steps, 10)))
    reached, loss = None, math.inf
    while trainer.step < steps and reached is None:
        for _ in range(every):
            trainer.train_step()
        loss = mean_loss(trainer.ema.model, data, 1)
        if loss <= target:
            reached = trainer.step
    return {
        "batch_size": batch_size, "lr": lr, "seed": seed, "steps": reached,
        "loss": min(loss, 1e6) if loss == loss else 1e6,
    }  # fmt: skip


def noise_on_the_way(
    seed: int, model: dict, lr: float, at: list[int], parts_of: int, size: int = 32
) -> list[dict]:
    """Train, and at some steps compute gradients of many small batches at fixed
    weights.
    """
    trainer = Trainer(_config(model, size, lr, seed, max(10, at[-1] + 1)))
    generator, found = torch.Generator().manual_seed(seed + 1000), []
    while trainer.step <= at[-1]:
        if trainer.step in at:
            scale = gradient_noise(
                [one_gradient(trainer, generator) for _ in range(parts_of)], size
            )
            trainer.optimiser.zero_grad()
            found.append({
                "step": trainer.step, "seed": seed, "squared_norm": scale.squared_norm,
                "trace": scale.trace,
                "batch": scale.batch if math.isfinite(scale.batch) else None,
            })  # fmt: skip
        trainer.train_step()
    return found


def one_gradient(trainer: Trainer, generator: torch.Generator) -> list[torch.Tensor]:
    """The gradient of a fresh batch of `trainer`'s data at its current weights."""
    data, size = trainer.data, trainer.config.batch_size
    rows = torch.randint(len(data.labels), (size,), generator=generator)
    x = to_model_units(data.floats()[rows], trainer.model_config)
    y = torch.from_numpy(data.labels)[rows]
    t = draw_times(trainer.config.times, size, generator)
    eps = torch.randn(x.shape, generator=generator)
    trainer.optimiser.zero_grad()
    batch = (v.to(trainer.device) for v in (x, y, t, eps))
    diffusion_loss(trainer.model, *batch).mean().backward()
    return [g.detach().cpu().clone() for g in gradients(trainer.model)]
