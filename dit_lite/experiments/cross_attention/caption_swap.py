"""What is decided when: another caption from time tau on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...data.shapes import batch
from ...diffusion import to_images, trajectory
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...model.dit import DiT
from . import _words
from ._words import captioned_run

TAUS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@experiment(
    "Until when does another caption still change what is drawn?",
    seconds=dict(cpu=36_000.0, gpu=3600.0),
    smoke=dict(run=_words.SMOKE, seeds=[0], images=2, steps=2, taus=[0.0, 1.0]),
    cpu=dict(run=_words.CPU, seeds=[0, 1, 2], images=300, steps=50, taus=TAUS),
    gpu=dict(run=_words.GPU, seeds=[0, 1, 2], images=1000, steps=50, taus=TAUS),
)
def caption_swap(
    parts: Parts, run: dict, seeds: list[int], images: int, steps: int,
    taus: list[float],
) -> dict:  # fmt: skip
    """One row per seed, time tau and claim: the share of the first caption's claims
    that hold in the picture, and of the second's, which guides from tau on. At tau = 0
    the first guides throughout, at 1 the second.
    """
    found = parts.map(
        one_training, [dict(seed=seed) for seed in seeds], run=run, images=images,
        steps=steps, taus=taus,
    )  # fmt: skip
    return {"rows": [row for rows in found for row in rows]}


def one_training(
    seed: int, run: dict, images: int, steps: int, taus: list[float]
) -> list[dict]:
    """Train one network and swap the captions of its one-object pictures."""
    config = captioned_run(run, seed)
    model, _ = train_arm(config, [config.steps], lambda model: None)
    first, second = (
        torch.from_numpy(batch(who, np.arange(images), "test", (1, 0, 0)).tokens)
        for who in (11, 12)
    )
    rows = []
    for tau in taus:
        drawn = swapped(model.eval(), first, second, tau, steps)
        before, after = (judge_captions(drawn, ids).rows() for ids in (first, second))
        held = {row["name"]: row["accuracy"] for row in after}
        rows += [
            dict(seed=seed, tau=tau, claim=row["name"], first=row["accuracy"],
                 second=held[row["name"]])
            for row in before if row["name"] in held
        ]  # fmt: skip
    return rows


@torch.no_grad()
def swapped(
    model: DiT, first: Tensor, second: Tensor, tau: float, steps: int
) -> Tensor:
    """Pictures (n, C, H, W) in [-1,1] of a walk that hears `first` while t > tau, and
    `second` from then on.
    """
    start = second if tau >= 1 else first
    for denoise, (t, x, _) in trajectory(model, start, steps, 2.5, "ddim"):
        if t <= tau:
            denoise.labels = second.to(x.device)
        last = x
    return to_images(last, model.config).cpu()
