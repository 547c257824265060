"""The same network trained to predict noise, image, v or velocity: same data, same
noise, same steps; times and samplers crossed.
"""

import torch

from ...config import TrainConfig
from ...data import digits
from ...diffusion import PATHS, to_x0_eps
from ...evaluation import evaluate_digits
from ...lab import Parts, experiment
from ...model.dit import DiT
from ...training import train

#: Sampler and steps, each with fifty network calls per image.
SAMPLINGS = {"heun": 25, "ddpm": 50}


@experiment(
    "Does it matter which of the four targets the network predicts, and does "
        "that depend on how times are drawn and samples made?",
    recipe="digits",
    seconds=dict(cpu=2000.0, gpu=900.0),
    smoke=dict(seeds=[0], steps=2, per_class=1, bins=2, arms=[["flow", "linear"]]),
    cpu=dict(
        seeds=[0, 1, 2], steps=None, per_class=72, bins=10,
        arms=[["flow", "linear"], ["eps", "linear"], ["x0", "linear"], ["v", "linear"],
        ["eps", "ddpm"]],
    ),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4], steps=None, per_class=100, bins=10,
        arms=[["flow", "linear"], ["eps", "linear"], ["x0", "linear"], ["v", "linear"],
        ["eps", "ddpm"]],
    ),
)  # fmt: skip
def objectives(
    parts: Parts,
    seeds: list[int],
    steps: int | None,
    per_class: int,
    bins: int,
    arms: list[list[str]],
) -> dict:
    """Train each arm (target, path) with the digits recipe and with times drawn both
    ways; score unguided samples from two samplers, one without and one with fresh
    noise.

    Each row holds the error of the implied image on held-out digits by noise level, and
    in `samples` a report for each sampler.
    """
    cases = [
        {"objective": objective, "path": path, "times": times, "seed": seed}
        for objective, path in arms for times in ("logit_normal",
        "uniform") for seed in seeds
    ]  # fmt: skip
    rows = parts.map(one_objective, cases, steps=steps, per_class=per_class, bins=bins)
    return {"rows": rows, "edges": [i / bins for i in range(bins + 1)]}


def one_objective(
    objective: str,
    path: str,
    times: str,
    seed: int,
    steps: int | None,
    per_class: int,
    bins: int,
) -> dict:
    config = TrainConfig(
        data="digits",
        steps=steps,
        seed=seed,
        times=times,
        changes={"objective": objective, "path": path},
    )
    model = train(config).model.cpu()
    reports = {
        name: evaluate_digits(
            model, per_class, 1.0, count, name, seed, halvings=2
        ).to_dict()
        for name, count in SAMPLINGS.items()
    }
    about = {"objective": objective, "path": path, "times": times, "seed": seed}
    return about | {"image_error": image_error(model, bins), "samples": reports}


@torch.no_grad()
def image_error(model: DiT, bins: int, seed: int = 1234) -> list[float]:
    """Mean squared error of the implied x0 on held-out digits, in `bins` equal parts
    of t: the same images and noise for every model.
    """
    config = model.config
    data = digits("test")
    x0 = data.floats()
    y = torch.from_numpy(data.labels)
    generator = torch.Generator().manual_seed(seed)
    errors = []
    for i in range(bins):
        t = (i + torch.rand(len(x0), generator=generator)) / bins
        t = t.clamp(0.001, 0.999)
        eps = torch.randn(x0.shape, generator=generator)
        x = PATHS[config.path].mix(x0, eps, t)
        x0_pred, _ = to_x0_eps(
            config.objective, PATHS[config.path], model(x, t, y), x, t
        )
        errors.append((x0_pred - x0).square().mean().item())
    return errors
