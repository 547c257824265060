"""Does a patch know which of its pixels are neighbours?"""

import dataclasses

import numpy as np
from einops import rearrange

from ...config import TrainConfig
from ...data import Dataset, Loader, load_data
from ...evaluation import held_out, mean_loss
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm


@experiment(
    "Is anything lost when the pixels inside every patch are shuffled by one "
    "fixed permutation?",
    recipe="digits",
    seconds=dict(cpu=150.0, gpu=100.0),
    smoke=dict(seeds=[0], steps=10, patch=4),
    cpu=dict(seeds=[0, 1, 2], steps=None, patch=4),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=None, patch=4),
)
def pixel_order(parts: Parts, seeds: list[int], steps: int | None, patch: int) -> dict:
    """Train on digits as they are and with the pixels of every patch shuffled in the
    same way; held-out loss of both.
    """
    cases = grid(shuffled=(False, True), seed=seeds)
    return {"rows": parts.map(one_order, cases, steps=steps, patch=patch)}


def one_order(shuffled: bool, seed: int, steps: int | None, patch: int) -> dict:
    config = TrainConfig(
        data="digits", steps=steps, seed=seed, changes={"patch_size": patch}
    )
    train, test = load_data("digits"), held_out("digits")
    if shuffled:
        train, test = (
            shuffle_inside_patches(train, patch),
            shuffle_inside_patches(test, patch),
        )

    def use(trainer) -> None:
        trainer.loader = Loader(train, config.batch_size, seed, trainer.device)

    _, (loss,) = train_arm(
        config, [config.steps], lambda model: mean_loss(model, test, 4), prepare=use
    )
    return {"shuffled": shuffled, "seed": seed, "loss": loss}


def shuffle_inside_patches(data: Dataset, patch: int, seed: int = 0) -> Dataset:
    """The same images with the pixels of every patch in another order, the same for
    all patches.
    """
    order = np.random.default_rng(seed).permutation(patch * patch)
    pixels = rearrange(
        data.images, "n c (h p) (w q) -> n c h w (p q)", p=patch, q=patch
    )[..., order]
    images = rearrange(pixels, "n c h w (p q) -> n c (h p) (w q)", p=patch, q=patch)
    return dataclasses.replace(data, images=np.ascontiguousarray(images))
