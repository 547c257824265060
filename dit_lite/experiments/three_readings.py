"""The source text initialises (gamma, beta) to (0, 1). Three ways to read that, trained."""

from __future__ import annotations

import dataclasses

import torch

from ..config import TrainConfig
from ..training import Trainer
from .learning import held_out, learn, mean_loss
from .runner import experiment
from .slices import Slices

#: name: (conditioning, initial scale in the 1+scale form, initial shift)
READINGS = {
    "gamma 0, beta 1": ("adaln", -1.0, 1.0),
    "gamma 1, beta 0": ("adaln", 0.0, 0.0),
    "gate 0": ("adaln_zero", 0.0, 0.0),
}


@experiment(
    'What do the three readings of the initial "(0,1)" do to training?',
    recipe="digits",
    seconds=dict(cpu=250.0, gpu=150.0),
    smoke=dict(seeds=[0], steps=8),
    cpu=dict(seeds=[0, 1, 2], steps=500),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=1000),
)
def three_readings(work: Slices, seeds: list[int], steps: int) -> dict:
    """Train digits from each initialisation; held-out loss on the way, and gradient norms by group of parameters in the first steps."""
    parts = [{"reading": reading, "seed": seed} for reading in READINGS for seed in seeds]
    return {"rows": work.map(one_reading, parts, steps=steps)}


def one_reading(reading: str, seed: int, steps: int) -> dict:
    conditioning, scale, shift = READINGS[reading]
    config = TrainConfig(data="digits", steps=steps, seed=seed, changes={"conditioning": conditioning})
    data = held_out("digits")
    at = sorted({max(1, round(steps / 2 ** (k / 2))) for k in range(10)})

    def prepare(trainer: Trainer) -> None:
        set_modulation(trainer.model, scale, shift)

    def look(model) -> float:
        return mean_loss(model, data, 4)

    trainer = Trainer(dataclasses.replace(config, clip=1e9))  # norms of whole gradients
    prepare(trainer)
    norms = [gradient_norms(trainer) for _ in range(6)]
    _, losses = learn(config, at, look, prepare)
    return {"reading": reading, "seed": seed, "at": at, "loss": losses, "gradient_norms": norms}


def set_modulation(model, scale: float, shift: float) -> None:
    """Give the modulations of every block, whatever the condition, this scale (in the 1+scale form) and this shift; gates stay."""
    width = model.config.width
    for block in model.blocks:
        bias = block.modulation[1].bias.data.view(-1, width)  # shift, scale, (gate,) of attention, then of the MLP
        per_branch = len(bias) // 2
        bias[0::per_branch], bias[1::per_branch] = shift, scale


#: Groups of parameters in the order in which a signal passes them, and how their names begin or what they contain.
GROUPS = {
    "time and label": ("condition.",),
    "patch embedding": ("embed.",),
    "attention": (".attention.",),
    "MLP": (".mlp.",),
    "scale and shift": (".modulation.",),
    "gates": (".modulation.",),
    "final modulation": ("final.modulation",),
    "output": ("final.linear",),
}


def gradient_norms(trainer: Trainer) -> dict[str, float]:
    """One training step, and the norm of the gradient of each group of parameters in it."""
    seen: dict[str, float] = {}

    def remember(*_) -> None:
        seen.update(group_norms(trainer.model))

    handle = trainer.optimiser.register_step_pre_hook(remember)
    trainer.train_step()
    handle.remove()
    return seen


def group_norms(model) -> dict[str, float]:
    """Norm of the gradient of each group; the rows of a block's modulation are split into gates and the rest."""
    squares = dict.fromkeys(GROUPS, 0.0)
    width = model.config.width
    for name, parameter in model.named_parameters():
        square = torch.zeros(()) if parameter.grad is None else parameter.grad
        if name.startswith("blocks.") and ".modulation." in name:
            rows = square.unflatten(0, (-1, width)) if square.ndim else square
            is_gate = [i % 3 == 2 for i in range(len(rows))] if len(rows) == 6 else [False] * len(rows)
            for row, gate in zip(rows, is_gate, strict=True):
                squares["gates" if gate else "scale and shift"] += row.square().sum().item()
            continue
        group = next(g for g, marks in GROUPS.items() if any(name.startswith(m) or (m.startswith(".") and m in name) for m in marks))
        squares[group] += square.square().sum().item()
    return {group: value**0.5 for group, value in squares.items()}
