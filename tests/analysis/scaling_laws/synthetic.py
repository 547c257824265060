"""Runs that follow a known law: what fits are tested on."""

import numpy as np

from dit_lite.analysis.scaling_laws import Curve

LAW = Curve(E=0.2, A=40.0, alpha=0.45, B=6.0, beta=0.38)
SIZES, IMAGES = np.geomspace(3e5, 3e7, 6), np.geomspace(1e4, 1e6, 5)


def grid(seeds: int = 3, sizes=SIZES, images=IMAGES):
    """Sizes, numbers of images and runs of a grid: each run is one size and seed, seen
    at every number of images.
    """
    many = len(sizes) * seeds
    return (
        np.repeat(sizes, seeds * len(images)),
        np.tile(images, many),
        np.repeat(np.arange(many), len(images)),
    )


def losses(rng, law=LAW, seeds=3, point=0.01, run=0.0, **grids):
    """(sizes, images, losses, runs) with relative noise of every point and run."""
    psi, n, runs = grid(seeds, **grids)
    noise = point * rng.standard_normal(len(psi))
    noise += run * rng.standard_normal(runs.max() + 1)[runs]
    return psi, n, law.predict(psi, n) * np.exp(noise), runs
