"""Which layers need the words: one layer at a time reads another caption."""

import numpy as np
import torch

from ...analysis import other_words
from ...data.shapes import batch
from ...diffusion import sample
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment, grid
from ._words import MODEL, SEEDS, trained

CLAIMS = ("colour", "shape", "place", "background")


@experiment(
    "Which layers of a caption model decide what is drawn?",
    seconds=dict(cpu=90.0, gpu=60.0),
    smoke=dict(model=None, seeds=[0], images=8, steps=1),
    cpu=dict(model=MODEL, seeds=SEEDS, images=40, steps=6),
    gpu=dict(model=MODEL, seeds=SEEDS, images=1000, steps=25),
)
def captions_by_layer(
    parts: Parts, model: str | None, seeds: list[int], images: int, steps: int
) -> dict:
    """One row for each seed, layer and claim: the share of the first caption's claims
    that hold, and of the second's, where only that layer reads the second caption;
    layer -1 is none. Each seed draws captions and noise; the network is the same.
    """
    layers = range(-1, trained(model).config.depth)
    arms, shared = grid(seed=seeds, layer=layers), dict(images=images, steps=steps)
    return {"rows": parts.rows(one_layer, arms, model=model, **shared)}


def one_layer(
    seed: int, layer: int, model: str | None, images: int, steps: int
) -> list[dict]:
    """Pictures of one object, with one layer reading about another."""
    dit, index = trained(model), np.arange(images) + seed * images
    first, second = (
        torch.from_numpy(batch(who, index, "test", (1, 0, 0)).tokens)
        for who in (23, 24)
    )
    with other_words(dit, [layer] if layer >= 0 else [], second):
        drawn = sample(dit, first, steps, 3.0, "dpmpp_2m", seed).cpu()
    kept, taken = (
        {row["name"]: row["accuracy"] for row in judge_captions(drawn, ids).rows()}
        for ids in (first, second)
    )
    return [
        dict(seed=seed, layer=layer, claim=claim, first=kept[claim],
             second=taken[claim])
        for claim in CLAIMS if claim in kept and claim in taken
    ]  # fmt: skip
