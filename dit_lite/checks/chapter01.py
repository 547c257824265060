"""Exercises of chapter 1: the forward process, a conversion, a sampler, guidance,
and the best possible denoiser.
"""

from __future__ import annotations

import torch

from ..diffusion import PATHS, ExactDenoiser, guide, target
from .exercise import ByClass, exercise, images, require, same


@exercise("01.1")
def forward_process(noisy) -> None:
    """noisy(x0, eps, t) on the linear path."""
    x0, eps = images()
    t = torch.tensor([0.0, 0.25, 0.7, 1.0])
    same(
        noisy(x0, eps, t),
        PATHS["linear"].mix(x0, eps, t),
        "x_t = (1-t) x0 + t eps, with t as t[:, None, None, None], so that each "
        "image has its own t.",
    )


@exercise("01.2")
def image_from_v(image) -> None:
    """image(x, v, t) on the cosine path."""
    x0, eps = images(seed=1)
    t = torch.tensor([0.1, 0.4, 0.6, 0.9])
    path = PATHS["cosine"]
    x, v = path.mix(x0, eps, t), target("v", path, x0, eps, t)
    same(
        image(x, v, t),
        x0,
        "Solve x = a x0 + s eps and v = a eps - s x0 for x0: multiply the first "
        "by a, the second by s, and subtract.",
    )


@exercise("01.3")
def euler_sampler(sampler) -> None:
    """sampler(velocity, x, steps) from t = 1 to t = 0."""
    x, goal = images(seed=2)
    asked = []

    def velocity(x, t):
        asked.append(float(t))
        # on the straight line from noise to the goal
        return (x - goal) / max(float(t), 1e-9)

    same(
        # a copy, since `x -= ...` is a right answer too
        sampler(velocity, x.clone(), 8),
        goal,
        "On this straight line Euler's steps end exactly at the image. Do all "
        "steps have length 1/steps, downwards?",
        1e-4,
    )
    require(
        len(asked) == 8,
        f"8 steps of Euler ask the network 8 times; yours asked {len(asked)} times.",
    )
    hint = "Ask at the time where the step begins: 1, 7/8, ..., 1/8."
    require(
        all(abs(t - (1 - i / 8)) < 1e-6 for i, t in enumerate(asked)),
        f"The network was asked at t = {', '.join(f'{t:.3g}' for t in asked)}. {hint}",
    )
    curved = sampler(lambda x, t: 2 * float(t) * x, x.clone(), 4)
    wanted = x
    for i in range(4):
        wanted = wanted - 2 * (1 - i / 4) * wanted / 4
    same(
        curved, wanted, "Subtract velocity / steps from x, and ask again at the new x."
    )


@exercise("01.4")
def guided_velocity(guided) -> None:
    """guided(model, x, t, y, w) with a null class."""
    x, _ = images(seed=3)
    t, y = (
        torch.rand(4, generator=torch.Generator().manual_seed(4)),
        torch.tensor([0, 2, 1, 2]),
    )
    model = ByClass()
    wanted = guide(model(x, t, torch.full_like(y, 3)), model(x, t, y), 2.5)
    same(
        guided(model, x, t, y, 2.5),
        wanted,
        "u + w (c - u), where u is the model with every label replaced by "
        "model.config.num_classes.",
    )
    same(
        guided(model, x, t, y, 1.0),
        model(x, t, y),
        "With w = 1 the result must be the conditional model itself.",
    )


@exercise("01.5")
def best_denoiser(posterior_mean) -> None:
    """posterior_mean(x, t, data) on the linear path."""
    data, _ = images(batch=6, seed=5)
    x, _ = images(batch=3, seed=6)
    for t in (0.2, 0.5, 0.9):
        wanted = ExactDenoiser(data, PATHS["linear"])(x, t).x0
        same(
            posterior_mean(x, t, data),
            wanted,
            "Weights: softmax over the data of -|x - (1-t) x0|^2 / (2 t^2); "
            "result: the weighted mean of the data.",
            1e-4,
        )
