"""The same network asked for noise, image, v or velocity: same data, same noise, same steps."""

from __future__ import annotations

import torch

from ..config import TrainConfig
from ..data import digits
from ..diffusion import PATHS, to_x0_eps
from ..evaluation import evaluate_digits
from ..model.dit import DiT
from ..training import train
from .runner import experiment


@experiment(
    "Does it matter which of the four targets the network predicts?",
    recipe="digits",
    smoke=dict(seeds=[0], steps=20, per_class=5, bins=4),
    cpu=dict(seeds=[0, 1, 2], steps=None, per_class=100, bins=10),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=None, per_class=100, bins=10),
)
def objectives(seeds: list[int], steps: int | None, per_class: int, bins: int) -> dict:
    """Train each objective on the linear path with the recipe of digits; score samples, and the error of the implied image by noise level."""
    rows = []
    for objective in ("flow", "eps", "x0", "v"):
        for seed in seeds:
            model = train(TrainConfig(data="digits", steps=steps, seed=seed, changes={"objective": objective})).model.cpu()
            error = image_error(model, bins)
            for guidance in (1.0, 1.5):
                report = evaluate_digits(model, per_class, guidance, 25, seed=seed, halvings=2)
                rows.append({"objective": objective, "image_error": error} | report.to_dict())
    return {"rows": rows, "edges": [i / bins for i in range(bins + 1)]}


@torch.no_grad()
def image_error(model: DiT, bins: int, seed: int = 1234) -> list[float]:
    """Mean squared error of the implied x0 on held-out digits, in `bins` equal parts of t: the same images and noise for every model."""
    config = model.config
    data = digits("test")
    x0 = torch.from_numpy(data.images).float() / 127.5 - 1
    y = torch.from_numpy(data.labels)
    generator = torch.Generator().manual_seed(seed)
    errors = []
    for i in range(bins):
        t = (i + torch.rand(len(x0), generator=generator)) / bins
        t = t.clamp(0.001, 0.999)
        eps = torch.randn(x0.shape, generator=generator)
        x = PATHS[config.path].mix(x0, eps, t)
        believed, _ = to_x0_eps(config.objective, PATHS[config.path], model(x, t, y), x, t)
        errors.append((believed - x0).square().mean().item())
    return errors
