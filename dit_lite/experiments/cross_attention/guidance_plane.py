"""One guidance weight for what is drawn, and one for where."""

import torch
from torch import Tensor

from ...data.shapes import encode_all
from ...data.shapes.scene import COLOURS, SEEN, SHAPES, place_name
from ...diffusion import SAMPLERS, Denoiser, time_grid, to_images
from ...diffusion.noise import ImageNoise
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment, grid
from ...model.dit import DiT
from ._words import MODEL, SEEDS, trained

WEIGHTS = [0.0, 1.0, 3.0, 6.0]


@experiment(
    "What do two guidance weights do, one for the object and one for its place?",
    seconds=dict(cpu=150.0, gpu=120.0),
    smoke=dict(model=None, seeds=[0], captions=1, steps=1, weights=[1.0, 3.0]),
    cpu=dict(model=MODEL, seeds=SEEDS, captions=16, steps=6, weights=WEIGHTS),
    gpu=dict(model=MODEL, seeds=SEEDS, captions=500, steps=25,
             weights=[0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0]),
)  # fmt: skip
def guidance_plane(
    parts: Parts, model: str | None, seeds: list[int], captions: int, steps: int,
    weights: list[float],
) -> dict:  # fmt: skip
    """One row for each seed and pair of weights: shares of colours, shapes and places
    that hold, calls per step, and how much two pictures of one caption differ (root
    mean square). Each seed draws captions and noise; the network is the same.
    """
    arms = grid(seed=seeds, w_object=weights, w_place=weights)
    return {"rows": parts.map(one_pair, arms, model=model, n=captions, steps=steps)}


def captions_in_two_parts(n: int, seed: int) -> tuple[list[str], list[str]]:
    """n objects, and the same with their places; all of them pairs of shape and colour
    that occur in training.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.randint(len(SEEN), (n,), generator=generator).tolist()
    places = torch.randint(3, (n, 2), generator=generator).tolist()
    objects = [
        f"a large {COLOURS[c]} {SHAPES[s]}" for s, c in map(SEEN.__getitem__, pairs)
    ]
    where = [place_name(column, row) for column, row in places]
    return objects, [
        f"{one} {'in' if place == 'centre' else 'at'} the {place}"
        for one, place in zip(objects, where, strict=True)
    ]


def one_pair(
    seed: int, w_object: float, w_place: float, model: str | None, n: int, steps: int
) -> dict:
    """Two pictures of each caption with one pair of weights."""
    dit = trained(model)
    objects, whole = captions_in_two_parts(n, seed)
    drawn, calls = draw(dit, 2 * objects, 2 * whole, (w_object, w_place), steps, seed)
    holds = {r["name"]: r["accuracy"] for r in judge_captions(drawn, 2 * whole).rows()}
    one, other = drawn.chunk(2)
    return dict(
        seed=seed, w_object=w_object, w_place=w_place, calls=calls,
        differ=(one - other).square().mean().sqrt().item(),
        **{name: holds[name] for name in ("colour", "shape", "place")},
    )  # fmt: skip


@torch.no_grad()
def draw(
    model: DiT, objects: list[str], whole: list[str], weights: tuple[float, float],
    steps: int, seed: int,
) -> tuple[Tensor, float]:  # fmt: skip
    """Pictures (n, C, H, W) in [-1,1], and network calls per step: "no caption", then
    the object, then the object in its place, each step with a weight of its own.
    """
    weaker, all_of_it = (torch.from_numpy(encode_all(c)) for c in (objects, whole))
    denoise = Denoiser(model, all_of_it, weights, weaker=[weaker])
    shape = (model.config.channels, *[model.config.image_size] * 2)
    x = ImageNoise(seed, len(whole), shape)()
    times = time_grid(1.0, 0.0, steps)
    *_, last = SAMPLERS["dpmpp_2m"](denoise, denoise.path, x, times, None)
    return to_images(last[1], model.config), denoise.calls / steps
