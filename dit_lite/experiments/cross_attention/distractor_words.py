"""How much words that mean nothing for the picture distract from those that do."""

import numpy as np
import torch
from torch import Tensor

from ...data.shapes import batch
from ...data.shapes.words import IDS, PADDING
from ...diffusion import sample
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment, grid
from ._words import MODEL, SEEDS, trained

#: Words that carry no meaning by themselves.
EMPTY = tuple(IDS[word] for word in ("of", "and", "the", "is", "in", "at", "on"))


@experiment(
    "How many empty words can a caption bear?",
    seconds=dict(cpu=90.0, gpu=120.0),
    smoke=dict(model=None, seeds=[0], images=2, steps=2, extra=[0, 12]),
    cpu=dict(model=MODEL, seeds=SEEDS, images=48, steps=8, extra=[0, 1, 2, 4, 8, 12]),
    gpu=dict(
        model=MODEL, seeds=SEEDS, images=1000, steps=25, extra=[0, 1, 2, 4, 8, 12]
    ),
)
def distractor_words(parts: Parts, seeds: list[int], **settings) -> dict:
    """One row per seed, number of empty words after a short caption, and claim: the
    share of claims that hold. `added` is how many fitted, averaged over captions. Each
    seed draws captions, empty words and noise.
    """
    return {"rows": parts.rows(one_seed, grid(seed=seeds), **settings)}


def one_seed(
    seed: int, model: str | None, images: int, steps: int, extra: list[int]
) -> list[dict]:
    """Sample a network with increasing numbers of empty words."""
    dit, index = trained(model), np.arange(images) + seed * images
    tokens = batch(13, index, "test", (1, 0, 0)).tokens
    ids, rows = torch.from_numpy(tokens), []
    for count in extra:
        longer = with_empty_words(ids, count, seed)
        added = (longer != ids).sum(1).double().mean().item()
        drawn = sample(dit, longer, steps, 2.5, "dpmpp_2m", seed).cpu()
        rows += [
            dict(seed=seed, extra=count, added=added, claim=row["name"],
                 accuracy=row["accuracy"])
            for row in judge_captions(drawn, ids).rows()
        ]  # fmt: skip
    return rows


def with_empty_words(ids: Tensor, count: int, seed: int) -> Tensor:
    """Captions (n, M) with up to `count` empty words in their padding."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.tensor(EMPTY)[
        torch.randint(len(EMPTY), ids.shape, generator=generator)
    ]
    blank = ids == PADDING
    return torch.where(blank & (blank.cumsum(1) <= count), chosen, ids)
