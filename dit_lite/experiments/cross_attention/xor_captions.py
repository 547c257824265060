"""Two conditions that say nothing separately: XOR as a caption task, compared with one
condition that repeats the other and with two that each describe one half.
"""

import numpy as np
import torch
from torch import Tensor

from ...analysis import mutual_information
from ...config import DiTConfig, TrainConfig
from ...data.dataset import Captioned
from ...diffusion import SAMPLERS, Denoiser, time_grid, to_images
from ...diffusion.guidance import Prediction
from ...diffusion.noise import ImageNoise
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...model.dit import DiT

SIDE = 8
WORDS = ("", "G=0", "G=1", "U=0", "U=1")
#: What the left and right halves of the picture show, 1 for bright, given two coins.
TASKS = {
    "xor": lambda g, u: (g ^ u, g ^ u),
    "repeats": lambda g, u: (g, g),  # and U is always G
    "halves": lambda g, u: (g, u),
}
#: The query: which of G and U are given, and how their predictions are combined.
ASKED = ("G", "U", "both", "each added")


def coins(task: str, n: int, seed: int) -> Captioned:
    """Pictures (n, 1, 8, 8) of two coins in a task, with noise of eight levels of 255,
    and captions (n, 2) that name both: 1 or 2 for G, 3 or 4 for U.
    """
    draw = np.random.default_rng(seed)
    g, u = draw.integers(2, size=(2, n))
    if task == "repeats":
        u = g
    left, right = TASKS[task](g, u)
    halves = np.repeat(np.stack([left, right], 1), SIDE // 2, 1)  # (n, 8)
    images = 64 + 128 * np.broadcast_to(halves[:, None, None], (n, 1, SIDE, SIDE))
    images = images + draw.normal(0, 8, images.shape)
    captions = np.stack([1 + g, 3 + u], 1)
    images = images.round().clip(0, 255).astype(np.uint8)
    return Captioned("coins", images, captions, (), words=WORDS)


@experiment(
    "How many bits about a picture do two conditions give, separately and together?",
    seconds=dict(cpu=100.0, gpu=150.0),
    smoke=dict(seeds=[0], steps=2, pictures=4, walk=2),
    cpu=dict(seeds=[0, 1, 2], steps=1000, pictures=1000, walk=10),
    gpu=dict(seeds=[0, 1, 2], steps=4000, pictures=4000, walk=20),
)
def xor_captions(parts: Parts, seeds: list[int], **settings) -> dict:
    """Small networks with both conditions as tokens, each dropped by itself in
    training: one row for each seed, task and query, with the mutual information in bits
    between the coins and the pictures drawn, and the same for the data (plug-in
    estimates). "each added" adds the guidance of G alone and of U alone (2206.01714 eq.
    11) where "both" goes from G to G and U; all weights are 1.
    """
    arms = grid(seed=seeds, task=TASKS)
    return {"rows": parts.rows(one_task, arms, **settings)}


def one_task(seed: int, task: str, steps: int, pictures: int, walk: int) -> list[dict]:
    """Train on one task, and sample with each of the four queries."""
    data = coins(task, 4096, seed)
    config = TrainConfig(
        data="digits", steps=steps, batch_size=256, lr=1e-2, warmup=steps // 10,
        seed=seed, label_dropout=0.15, ema_decay=0.99,
        model=DiTConfig(
            **data.shape, patch_size=SIDE, width=32, depth=2, heads=2, data_std=0.5,
            conditioning="adaln_zero_cross", caption_parts=("G", "U"),
        ),
    )  # fmt: skip
    model, _ = train_arm(config, [steps], lambda model: None, data=data)
    other = coins(task, pictures, 1000 + seed)
    said, truth = torch.from_numpy(other.labels), seen_in(other.floats())
    rows = []
    for asked in ASKED:
        shown = seen_in(drawn(model.eval(), said, asked, walk, seed))
        about = said[:, :1] if asked == "G" else said[:, 1:] if asked == "U" else said
        rows.append(
            dict(seed=seed, task=task, asked=asked, bits=shared_bits(about, shown),
                 true_bits=shared_bits(about, truth))
        )  # fmt: skip
    return rows


@torch.no_grad()
def drawn(model: DiT, said: Tensor, asked: str, walk: int, seed: int) -> Tensor:
    """Pictures (n, 1, 8, 8) in [-1,1] of the coins `said` (n, 2)."""
    g, u, nothing = said.clone(), said.clone(), torch.zeros_like(said)
    g[:, 1], u[:, 0] = 0, 0
    asks = {"G": [g], "U": [u], "both": [said], "each added": [g, u, nothing]}[asked]
    denoisers = [Denoiser(model, y) for y in asks]

    def denoise(x: Tensor, t: float) -> Prediction:
        answers = [one(x, t) for one in denoisers]
        if len(answers) == 1:
            return answers[0]
        # nothing + (G - nothing) + (U - nothing), in images and noise alike
        one, other, none = answers
        return Prediction(one.x0 + other.x0 - none.x0, one.eps + other.eps - none.eps)

    x = ImageNoise(seed, len(said), (1, SIDE, SIDE))()
    path, times = denoisers[0].path, time_grid(1.0, 0.0, walk)
    *_, last = SAMPLERS["euler"](denoise, path, x, times, None)
    return to_images(last[1], model.config)


def seen_in(pictures: Tensor) -> Tensor:
    """What the halves show, (n, 2): 1 for bright."""
    halves = pictures.float().unflatten(-1, (2, -1)).mean((1, 2, 4))  # (n, 2)
    return (halves > 0).long()


def shared_bits(said: Tensor, shown: Tensor) -> float:
    """Mutual information in bits of the rows of two tables (n, any) of small whole
    numbers, by counting.
    """
    kinds = [torch.unique(v, dim=0, return_inverse=True)[1] for v in (said, shown)]
    rows, columns = (int(k.max()) + 1 for k in kinds)
    joint = torch.bincount(kinds[0] * columns + kinds[1], minlength=rows * columns)
    return mutual_information(joint.double().view(rows, columns) / len(said))
