"""What words that mean nothing for the picture take away from those that do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...data.shapes import batch
from ...data.shapes.words import IDS, PADDING
from ...diffusion import sample
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment
from ...lab.arms import train_arm
from . import _words
from ._words import captioned_run

#: Words that say nothing by themselves.
EMPTY = tuple(IDS[word] for word in ("of", "and", "the", "is", "in", "at", "on"))


@experiment(
    "How many empty words does a caption bear?",
    seconds=dict(cpu=36_000.0, gpu=3600.0),
    smoke=dict(run=_words.SMOKE, seeds=[0], images=2, steps=2, extra=[0, 12]),
    cpu=dict(run=_words.CPU, seeds=[0, 1, 2], images=500, steps=25,
             extra=[0, 1, 2, 4, 8, 12]),
    gpu=dict(run=_words.GPU, seeds=[0, 1, 2], images=1000, steps=25,
             extra=[0, 1, 2, 4, 8, 12]),
)  # fmt: skip
def distractor_words(
    parts: Parts, run: dict, seeds: list[int], images: int, steps: int,
    extra: list[int],
) -> dict:  # fmt: skip
    """One row per seed, number of empty words after a short caption, and claim: the
    share of claims that hold. `added` is how many found room, mean over captions.
    """
    found = parts.map(
        one_training, [dict(seed=seed) for seed in seeds], run=run, images=images,
        steps=steps, extra=extra,
    )  # fmt: skip
    return {"rows": [row for rows in found for row in rows]}


def one_training(
    seed: int, run: dict, images: int, steps: int, extra: list[int]
) -> list[dict]:
    """Train one network, and sample it with more and more empty words."""
    config = captioned_run(run, seed)
    model, _ = train_arm(config, [config.steps], lambda model: None)
    tokens = batch(13, np.arange(images), "test", (1, 0, 0)).tokens
    ids, rows = torch.from_numpy(tokens), []
    for count in extra:
        longer = with_empty_words(ids, count, seed)
        added = (longer != ids).sum(1).double().mean().item()
        drawn = sample(model, longer, steps, 2.5, "dpmpp_2m").cpu()
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
