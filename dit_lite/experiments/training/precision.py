"""What 16 bits lose: gradients that underflow, weights that stop moving."""

import torch

from ...config import TrainConfig, preset
from ...data import load_data
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...training import Trainer
from ...training.underflow import gradients, largest_safe_scale, underflow

WEIGHTS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@experiment(
    "What does a run lose when its weights are kept in 16 bits, and which gradients "
    "underflow?",
    seconds=dict(cpu=200.0, gpu=200.0),
    smoke=dict(
        weights=["fp32", "bf16"], rates=[4e-3], seeds=[0], steps=4, batch_size=8,
        model=dict(depth=2, width=16, heads=2), images=20,
    ),
    cpu=dict(
        weights=list(WEIGHTS), rates=[1.5e-3, 4e-3, 1e-2, 2.5e-2], seeds=[0, 1, 2],
        steps=100, batch_size=32, model=dict(depth=2, width=32, heads=2), images=200,
    ),
    gpu=dict(
        weights=list(WEIGHTS), rates=[1.5e-3, 4e-3, 1e-2, 2.5e-2], seeds=[0, 1, 2],
        steps=600, batch_size=96, model=dict(depth=4, width=64, heads=4), images=None,
    ),
)  # fmt: skip
def precision(
    parts: Parts, weights: list[str], rates: list[float], seeds: list[int], **settings
) -> dict:
    """One row per type of the weights, rate and seed: held-out loss of the weights as
    they are and of their average, the share of a matrix's weights that the last step
    moved (mean over the matrices), and what fp16 would have lost of the last gradient,
    unscaled and scaled.

    All arithmetic is fp32; the weights are rounded after every step, with no master
    copy, which is what a 16-bit model under a plain optimiser does. The average is
    rounded too.
    """
    cases = grid(seed=seeds, kind=weights, lr=rates)
    return {"rows": parts.map(one_run, cases, **settings)}


def one_run(
    kind: str, lr: float, seed: int, steps: int, batch_size: int, model: dict,
    images: int | None,
) -> dict:  # fmt: skip
    """Train with weights and average rounded after every step."""
    config = TrainConfig(
        data="digits", model=preset("digits", **(load_data("digits").shape | model)),
        steps=steps, batch_size=batch_size, lr=lr, warmup=steps // 10, seed=seed,
        label_dropout=0.1, ema_decay=0.999, compile=False, schedule="constant",
    )  # fmt: skip
    trainer, data = Trainer(config), held_out("digits", images)
    trainer.optimiser.register_step_pre_hook(
        lambda *_: last.__setitem__(slice(None), _copies(trainer.model))
    )
    last: list[torch.Tensor] = []
    before: list[torch.Tensor] = []
    while trainer.step < steps:
        before = [p.detach().clone() for p in trainer.model.parameters()]
        trainer.train_step()
        round_to(trainer.model, WEIGHTS[kind])
        round_to(trainer.ema.model, WEIGHTS[kind])
    moved = [
        (p.detach() != b).float().mean().item()
        for p, b in zip(trainer.model.parameters(), before, strict=True)
        if p.ndim == 2
    ]
    plain = underflow(last, torch.float16)
    scale = largest_safe_scale(last, torch.float16)
    scaled = underflow(last, torch.float16, scale)
    return {
        "kind": kind, "lr": lr, "seed": seed,
        "loss": _finite(mean_loss(trainer.model, data, 1)),
        "averaged_loss": _finite(mean_loss(trainer.ema.model, data, 1)),
        "moved": sum(moved) / len(moved), "scale": scale,
        "lost": plain.lost, "subnormal": plain.subnormal, "lost_scaled": scaled.lost,
    }  # fmt: skip


def _copies(model: torch.nn.Module) -> list[torch.Tensor]:
    return [g.detach().cpu().clone() for g in gradients(model)]


def _finite(value: float) -> float:
    return min(value, 1e6) if value == value else 1e6


@torch.no_grad()
def round_to(model: torch.nn.Module, dtype: torch.dtype | None) -> None:
    """Round every weight to what `dtype` can represent; None leaves them alone."""
    if dtype is not None:
        for p in model.parameters():
            p.copy_(p.to(dtype))
