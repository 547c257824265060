"""What is decided when: the caption changes at time tau."""

import numpy as np
import torch
from torch import Tensor

from ...data.shapes import batch
from ...diffusion import to_images, trajectory
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment, grid
from ...model.dit import DiT
from ._words import MODEL, SEEDS, trained

TAUS = [0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@experiment(
    "Until when does changing the caption still change what is drawn?",
    seconds=dict(cpu=240.0, gpu=120.0),
    smoke=dict(model=None, seeds=[0], images=2, steps=2, taus=[0.0, 1.0]),
    cpu=dict(model=MODEL, seeds=SEEDS, images=40, steps=20, taus=TAUS),
    gpu=dict(model=MODEL, seeds=SEEDS, images=1000, steps=50, taus=TAUS),
)
def caption_swap(parts: Parts, seeds: list[int], **settings) -> dict:
    """One row per seed, time tau and claim: the share of the first caption's claims
    that hold in the picture, and of the second's, which is used from tau on. At tau = 0
    the first is used throughout, at 1 the second. Each seed draws captions and noise.
    """
    return {"rows": parts.rows(one_seed, grid(seed=seeds), **settings)}


def one_seed(
    seed: int, model: str | None, images: int, steps: int, taus: list[float]
) -> list[dict]:
    """Swap the captions of one-object pictures."""
    dit, index = trained(model), np.arange(images) + seed * images
    first, second = (
        torch.from_numpy(batch(who, index, "test", (1, 0, 0)).tokens)
        for who in (11, 12)
    )
    rows = []
    for tau in taus:
        drawn = swapped(dit, first, second, tau, steps, seed)
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
    model: DiT, first: Tensor, second: Tensor, tau: float, steps: int, seed: int = 0
) -> Tensor:
    """Pictures (n, C, H, W) in [-1,1], sampled with the caption `first` while t > tau,
    and with `second` from then on.
    """
    start = second if tau >= 1 else first
    for denoise, (t, x, _) in trajectory(model, start, steps, 2.5, "ddim", seed):
        if t <= tau:
            denoise.labels = second.to(x.device)
        last = x
    return to_images(last, model.config).cpu()
