"""One token for the whole image: how wide must it be, and does the target matter?"""

from dataclasses import replace

import torch

from ...config import TrainConfig
from ...data import digits
from ...diffusion import PATHS, to_x0_eps
from ...lab import Parts, experiment
from ...model.dit import DiT
from ...training import train


@experiment(
    "With one token per image, does the token's width limit the detail, and for which "
    "target?",
    seconds=dict(cpu=400.0, gpu=300.0),
    smoke=dict(seeds=[0], steps=10, widths=[32], reference=False),
    cpu=dict(seeds=[0, 1, 2], steps=800, widths=[16, 32, 64, 128, 256], reference=True),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4], steps=4800, widths=[16, 32, 64, 128, 256], reference=True
    ),
)
def bottleneck(
    parts: Parts, seeds: list[int], steps: int, widths: list[int], reference: bool
) -> dict:
    """8x8 digits as one patch of 64 values, on DDPM's path with evenly spread times;
    the errors of the implied image and of the implied noise.

    The reference has patches of side 2 and the second smallest width, so 16 tokens.
    """
    arms = [{"patch": 8, "width": width} for width in widths] + (
        [{"patch": 2, "width": 32}] if reference else []
    )
    cases = [
        {"objective": objective, "seed": seed} | arm
        for arm in arms
        for objective in ("eps", "x0")
        for seed in seeds
    ]
    return {
        "rows": parts.map(
            one_token,
            cases,
            cost=lambda part: 1.0 + 3.0 * (part["patch"] == 2),
            steps=steps,
        )
    }


def one_token(patch: int, width: int, objective: str, seed: int, steps: int) -> dict:
    """Train one arm and measure both errors on held-out digits."""
    changes = dict(patch_size=patch, width=width, objective=objective, path="ddpm")
    model = train(
        TrainConfig(
            data="digits",
            steps=steps,
            lr=2e-3,
            times="uniform",
            changes=changes,
            seed=seed,
        )
    ).model.cpu()
    image, noise = implied_errors(model)
    return {
        "patch": patch,
        "width": width,
        "objective": objective,
        "seed": seed,
        "image_error": image,
        "noise_error": noise,
    }


@torch.no_grad()
def implied_errors(
    model: DiT, low: float = 0.2, high: float = 0.8, repeats: int = 4, seed: int = 1234
) -> tuple[float, float]:
    """Mean squared error per pixel of the implied x0 and of the implied eps on held-out
    digits, for t spread evenly over [low, high].
    """
    data = digits("test")
    data = replace(
        data, images=data.images.repeat(repeats, 0), labels=data.labels.repeat(repeats)
    )
    x0, y = (data.floats(), torch.from_numpy(data.labels))
    generator = torch.Generator().manual_seed(seed)
    t = low + (high - low) * (torch.randperm(len(x0), generator=generator) + 0.5) / len(
        x0
    )
    eps = torch.randn(x0.shape, generator=generator)
    path = PATHS[model.config.path]
    x = path.mix(x0, eps, t)
    image, noise = to_x0_eps(model.config.objective, path, model(x, t, y), x, t)
    return (image - x0).square().mean().item(), (noise - eps).square().mean().item()
