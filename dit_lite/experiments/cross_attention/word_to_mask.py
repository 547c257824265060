"""Which map of a word finds the word's object: its attention, its contribution, or what
changes without it?
"""

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
from ...lab import Parts, experiment, grid
from ...model.dit import DiT
from ._words import MODEL, SEEDS, Asked, trained, two_objects, untrained

TIMES = [0.1, 0.3, 0.5, 0.7, 0.9]


@experiment(
    "Does a word's map lie on the word's object, and which kind of map does so best?",
    seconds=dict(cpu=240.0, gpu=120.0),
    smoke=dict(model=None, seeds=[0], images=3, times=[0.5]),
    cpu=dict(model=MODEL, seeds=SEEDS, images=48, times=TIMES),
    gpu=dict(model=MODEL, seeds=SEEDS, images=500, times=TIMES),
)
def word_to_mask(
    parts: Parts, model: str | None, seeds: list[int], images: int, times: list[float]
) -> dict:
    """A trained network and untrained ones of its shape: one row for each reading,
    layer, time and kind of word: area under the curve and overlap with the true mask,
    and the same with the mask of another word, which tells only where objects usually
    are.

    `layer` is -1 for the effect, which belongs to the whole network. Each seed draws
    pictures and noise, and also the weights where these are untrained.
    """
    arms = grid(seed=seeds, network=("trained", "untrained"))
    shared = dict(model=model, images=images, times=times)
    return {"rows": parts.rows(one_network, arms, **shared)}


def one_network(
    seed: int, network: str, model: str | None, images: int, times: list[float]
) -> list[dict]:
    """The rows of one network."""
    dit = trained(model) if network == "trained" else untrained(model, seed)
    asked, rows = two_objects(images, dit.config, seed), []
    for t in times:
        for reading, layer, maps in readings(dit, asked, t, seed):
            about = dict(seed=seed, network=network, t=t, reading=reading, layer=layer)
            rows += [about | scores for scores in scored(maps, asked, dit, seed)]
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
