"""A network that predicts noise, on two paths and with two samplers."""

from __future__ import annotations

from itertools import chain

from ..config import TrainConfig
from ..evaluation import evaluate_digits
from ..training import train
from .runner import experiment
from .slices import Slices


@experiment(
    "When does predicting the noise work?",
    recipe="digits",
    smoke=dict(seeds=[0], steps=20, per_class=5, sampler_steps=3),
    cpu=dict(seeds=[0, 1, 2], steps=None, per_class=50, sampler_steps=40),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=None, per_class=100, sampler_steps=40),
)
def noise_target(work: Slices, seeds: list[int], steps: int | None, per_class: int, sampler_steps: int) -> dict:
    """Train eps on the linear and on the ddpm path, with times drawn evenly; sample both without (ddim) and with fresh noise (ddpm).

    The recipe of digits draws few times near 1, which would be unfair to a network whose samples start there: hence "uniform".
    """
    parts = [dict(path=path, seed=seed) for path in ("linear", "ddpm") for seed in seeds]
    rows = work.map(one_path, parts, steps=steps, per_class=per_class, sampler_steps=sampler_steps)
    return {"rows": list(chain(*rows))}


def one_path(path: str, seed: int, steps: int | None, per_class: int, sampler_steps: int) -> list[dict]:
    """One model, scored with both samplers."""
    config = TrainConfig(data="digits", steps=steps, seed=seed, times="uniform", changes={"objective": "eps", "path": path})
    model = train(config).model.cpu()
    reports = [evaluate_digits(model, per_class, 1.0, sampler_steps, sampler, seed, halvings=2) for sampler in ("ddim", "ddpm")]
    return [{"path": path} | report.to_dict() for report in reports]
