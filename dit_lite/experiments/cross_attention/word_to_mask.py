"""Which map of a word finds the word's object: attention, what the word contributes,
or what changes without it?
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...analysis import (
    attention_maps,
    contribution_maps,
    effect_maps,
    localisation,
    overlap,
    patch_masks,
)
from ...diffusion import PATHS
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from ...model.dit import DiT
from . import _words
from ._words import Asked, captioned_run, two_objects


@experiment(
    "Does the map of a word lie on the word's object, and which kind of map?",
    seconds=dict(cpu=36_000.0, gpu=3600.0),
    smoke=dict(run=_words.SMOKE, seeds=[0], images=3, times=[0.5]),
    cpu=dict(run=_words.CPU, seeds=[0, 1, 2], images=200, times=[0.1, 0.3, 0.5, 0.7]),
    gpu=dict(run=_words.GPU, seeds=[0, 1, 2], images=500, times=[0.1, 0.3, 0.5, 0.7]),
)
def word_to_mask(
    parts: Parts, run: dict, seeds: list[int], images: int, times: list[float]
) -> dict:
    """Trained and untrained networks, one row for each reading, layer, time and kind of
    word: area under the curve and overlap with the true mask, and the same with the
    mask of another word, which knows only where objects usually are.

    `layer` is -1 for the effect, which is that of the whole network.
    """
    arms = [
        dict(seed=seed, steps=steps) for seed in seeds for steps in (0, run["steps"])
    ]
    found = parts.map(
        one_network, arms, cost=lambda arm: 1 + arm["steps"], run=run, images=images,
        times=times,
    )  # fmt: skip
    return {"rows": [row for rows in found for row in rows]}


def one_network(
    seed: int, steps: int, run: dict, images: int, times: list[float]
) -> list[dict]:
    """The rows of one network, trained for `steps`."""
    config = captioned_run(run, seed)
    if steps:
        model, _ = train_arm(config, [steps], lambda model: None)
    else:
        model, _ = train_arm(config, [], lambda model: None)
    asked, rows = two_objects(images, model.config), []
    for t in times:
        for reading, layer, maps in readings(model.eval(), asked, t, seed):
            about = dict(seed=seed, steps=steps, t=t, reading=reading, layer=layer)
            rows += [about | scores for scores in scored(maps, asked, model, seed)]
    return rows


def readings(
    model: DiT, asked: Asked, t: float, seed: int
) -> list[tuple[str, int, Tensor]]:
    """(reading, layer, maps (n, M, N)) of the pictures noised to time t."""
    eps = torch.randn(asked.x0.shape, generator=torch.Generator().manual_seed(seed))
    times = torch.full((len(eps),), t)
    x = PATHS[model.config.path].mix(asked.x0, eps, times)
    found = []
    for name, look in (("attention", attention_maps), ("output", contribution_maps)):
        for layer, maps in enumerate(look(model, x, times, asked.y)):
            found.append((name, layer, maps))
    return [*found, ("effect", -1, effect_maps(model, x, times, asked.y))]


def scored(maps: Tensor, asked: Asked, model: DiT, seed: int) -> list[dict]:
    """One row for each kind of word."""
    chosen = maps[asked.picture, asked.place]  # (W, N)
    true = patch_masks(asked.masks, model.config.patch_size)
    generator = torch.Generator().manual_seed(seed)
    other = true[torch.randperm(len(true), generator=generator)]
    rows = []
    for kind in dict.fromkeys(asked.kinds):
        of = torch.tensor([one == kind for one in asked.kinds])
        rows.append(
            {
                "kind": kind,
                "words": int(of.sum()),
                "area": localisation(chosen[of], true[of]).mean().item(),
                "area_permuted": localisation(chosen[of], other[of]).mean().item(),
                "overlap": overlap(chosen[of], true[of]).mean().item(),
                "overlap_permuted": overlap(chosen[of], other[of]).mean().item(),
            }
        )
    return rows
