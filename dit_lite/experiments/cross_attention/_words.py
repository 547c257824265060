"""Caption models to look at, and the words and masks of two-object pictures."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...config import DiTConfig, TrainConfig
from ...data import load_data
from ...data.pixels import to_floats
from ...data.shapes import batch, masks, read
from ...data.shapes.reading import ALIKE, ATTRIBUTES
from ...data.shapes.words import WORDS
from ...files.pretrained import load_config
from ...model import DiT
from ...seeding import seeded
from ...training import build_model, load

#: The trained model that experiments look at, and the seeds of noise and pictures that
#: each uses: one training run, so a spread is never over training runs.
MODEL, SEEDS = "shapes", [0, 1, 2]
#: Runs of a caption model: the words reach the blocks by cross-attention only.
SMOKE = dict(
    steps=2, batch_size=4, lr=2e-3, warmup=1,
    changes=dict(width=32, depth=2, heads=2, patch_size=8),
)  # fmt: skip
CPU = dict(
    steps=1000, batch_size=64, lr=2e-3, warmup=100,
    changes=dict(width=64, depth=4, heads=4, patch_size=8, data_std=0.5),
)  # fmt: skip
GPU = dict(
    steps=40_000, batch_size=256, lr=2e-3, warmup=300,
    changes=dict(width=256, depth=8, heads=4, patch_size=4, data_std=0.5),
)  # fmt: skip


def captioned_run(run: dict, seed: int) -> TrainConfig:
    """A run on captioned shapes with words by cross-attention."""
    changes = dict(conditioning="adaln_zero_cross") | run["changes"]
    return TrainConfig(
        data="shapes", preset="S/4", label_dropout=0.1, ema_decay=0.999, seed=seed,
        **run | dict(changes=changes),
    )  # fmt: skip


def trained(model: str | None) -> DiT:
    """A trained model by name or directory; None for one with random weights, as small
    as at smoke.
    """
    if model is not None:
        return load(model).requires_grad_(False)
    run = captioned_run(SMOKE, 0)
    return untrained(build_model(run, load_data("shapes").shape), 0)


def untrained(model: DiTConfig | str | None, seed: int) -> DiT:
    """Random weights in the shape of a model. Weights that start at zero are drawn too,
    since otherwise no word would change anything.
    """
    if not isinstance(model, DiTConfig):
        model = trained(None).config if model is None else load_config(model)
    with seeded(seed):
        found = DiT(model)
        for parameter in found.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return found.eval().requires_grad_(False)


KIND = {value: name for name in ("shape", "colour") for value in ATTRIBUTES[name]}


class Asked(NamedTuple):
    """Pictures x0 (n, 3, 32, 32) in model units and captions y (n, M); then W words
    that name a shape or a colour: their picture, position in the caption and kind, and
    the mask (W, 32, 32) of the object that they refer to.
    """

    x0: Tensor
    y: Tensor
    picture: Tensor
    place: Tensor
    kinds: list[str]
    masks: Tensor


def two_objects(n: int, config: DiTConfig, seed: int = 0) -> Asked:
    """n held-out pictures of two objects each."""
    drawn = batch(5 + seed, np.arange(n), "test", (0, 1, 0))
    objects = torch.from_numpy(masks(drawn.scenes))
    found = []
    for i, ids in enumerate(drawn.tokens):
        about = read(ids).about
        for j, (word, k) in enumerate(zip(ids, about, strict=True)):
            name = WORDS[word]
            if k >= 0 and (kind := KIND.get(ALIKE.get(name, name))):
                found.append((i, j, kind, objects[i, k]))
    picture, place, kinds, chosen = zip(*found, strict=True)
    x0 = to_floats(torch.from_numpy(drawn.images)) - config.data_mean
    return Asked(
        x0 / config.data_std, torch.from_numpy(drawn.tokens), torch.tensor(picture),
        torch.tensor(place), list(kinds), torch.stack(chosen),
    )  # fmt: skip
