"""One token for the whole image: how wide must it be, and does the target matter?"""

from dataclasses import replace

import torch

from ...config import TrainConfig
from ...data import digits
from ...diffusion import PATHS, to_x0_eps
from ...lab import Parts, experiment
from ...lab.tuning import best_setting
from ...model.dit import DiT
from ...training import DivergedError, train

#: A factor of two apart.
RATES = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2]


@experiment(
    "With one token per image, does the token's width limit the detail, and for which "
    "target?",
    seconds=dict(cpu=1500.0, gpu=900.0),
    maps=2,
    smoke=dict(seeds=[0], rates=[2e-3], steps=10, widths=[32], reference=False),
    cpu=dict(
        seeds=[0, 1, 2], rates=RATES, steps=800, widths=[16, 32, 64, 128, 256],
        reference=True,
    ),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4], rates=RATES, steps=4800,
        widths=[16, 32, 64, 128, 256], reference=True,
    ),
)  # fmt: skip
def bottleneck(
    parts: Parts,
    seeds: list[int],
    rates: list[float],
    steps: int,
    widths: list[int],
    reference: bool,
) -> dict:
    """8x8 digits as one patch of 64 values, on DDPM's path with evenly spread times;
    the errors of the implied image and of the implied noise.

    `tuning`: every arm at every rate, with a seed that is not used again. `rows`: each
    arm at the rate with the lowest error of its own target, for each seed. The
    reference has patches of side 2 and the second smallest width, so 16 tokens.
    """
    arms = [
        {"patch": patch, "width": width, "objective": objective}
        for patch, width in [(8, w) for w in widths] + [(2, 32)] * reference
        for objective in ("eps", "x0")
    ]
    cost = dict(cost=lambda part: 1.0 + 3.0 * (part["patch"] == 2), steps=steps)
    tuning = parts.map(
        one_token,
        [arm | {"lr": lr, "seed": max(seeds) + 1} for arm in arms for lr in rates],
        **cost,
    )
    cases = [
        arm | {"lr": best_setting(tuning, **arm)["lr"], "seed": seed}
        for arm in arms
        for seed in seeds
    ]
    return {"tuning": tuning, "rows": parts.map(one_token, cases, **cost)}


def one_token(
    patch: int, width: int, objective: str, lr: float, seed: int, steps: int
) -> dict:
    """Train one arm and measure both errors on held-out digits; `loss` is that of its
    own target, None where the run diverged.
    """
    about = dict(patch=patch, width=width, objective=objective, lr=lr, seed=seed)
    changes = dict(patch_size=patch, width=width, objective=objective, path="ddpm")
    config = TrainConfig(
        data="digits", steps=steps, lr=lr, times="uniform", changes=changes, seed=seed
    )
    try:
        image, noise = implied_errors(train(config).model.cpu())
    except DivergedError:
        image = noise = None
    loss = noise if objective == "eps" else image
    return about | {"image_error": image, "noise_error": noise, "loss": loss}


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
