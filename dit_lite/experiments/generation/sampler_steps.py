"""What a step buys: seconds, distance from the image that infinitely many steps would
give, and the scores of a set of samples.
"""

import time
from itertools import product

import torch

from ...data import load_data
from ...diffusion import sample
from ...evaluation import (
    extract,
    load_extractor,
    make_reference,
    measure,
    network_calls,
)
from ...lab import Parts, experiment, grid
from ...training import load
from ...training.precision import pick_device

SAMPLERS = ["heun", "euler", "dpmpp_2m", "ddim", "ddpm"]
DIGITS = dict(data="digits", judge="digits-judge", samples=200, limit=200)
CIFAR = dict(data="cifar10", judge=None, samples=10, limit=100)


@experiment(
    "How many steps are enough, and is the best sampler the one that comes "
        "closest to the limit?",
    seconds=dict(cpu=400.0, gpu=300.0),
    smoke=dict(models=[DIGITS | dict(samples=140, limit=4)], seeds=[0],
    guidances=[1.0], samplers=["euler", "ddpm"], steps=[1, 2]),
    cpu=dict(models=[DIGITS, CIFAR], seeds=[0, 1], guidances=[1.0, 2.0],
    samplers=SAMPLERS, steps=[2, 4, 8, 16, 32]),
    gpu=dict(
        models=[DIGITS | dict(samples=1000, limit=500),
        CIFAR | dict(judge="cifar10-judge", samples=1000, limit=500)],
        seeds=[0, 1, 2], guidances=[1.0, 2.0], samplers=SAMPLERS, steps=[2, 4, 8, 16,
        32, 64],
    ),
)  # fmt: skip
def sampler_steps(
    parts: Parts, models: list[dict], seeds: list[int], guidances: list[float],
    **settings,
) -> dict:  # fmt: skip
    """Sample the shipped models with every sampler, from the same noise.

    `error` is the root mean squared distance, in [-1,1], to the image that heun reaches
    in `limit` steps; ddpm, which adds noise, has none. `seconds` are per image.
    `sampling` has accuracy, precision and recall over three models.
    """
    cases = grid(model=models, seed=seeds, guidance=guidances)
    return {"rows": parts.rows(one_noise, cases, **settings)}


def one_noise(
    model: dict, seed: int, guidance: float, samplers: list[str], steps: list[int]
) -> list[dict]:
    """Every sampler and number of steps, from one draw of noise."""
    denoiser, labels = (
        load(model["data"]).to(pick_device("auto")),
        torch.arange(10).repeat(model["samples"] // 10),
    )
    limit = sample(denoiser, labels, model["limit"], guidance, "heun", seed).cpu()
    real, judge = (
        load_data(model["data"], "train"),
        model["judge"] and load_extractor(model["judge"]),
    )
    reference = judge and make_reference(
        f"{real.name} train", real.floats(), torch.from_numpy(real.labels), judge
    )
    rows = []
    for sampler, S in product(samplers, steps):
        began = time.perf_counter()
        images = sample(denoiser, labels, S, guidance, sampler, seed).cpu()
        seconds = (time.perf_counter() - began) / len(images)
        how = dict(
            guidance=guidance,
            sampler=sampler,
            steps=S,
            network_calls=network_calls(denoiser, sampler, S, guidance),
            seeds=(seed,),
        )
        scores = (
            measure(
                f"{sampler}, {S}",
                reference,
                extract(judge, images),
                labels,
                repeats=20,
                **how,
            ).to_dict()
            if judge
            else None
        )
        error = (
            (images - limit).square().mean().sqrt().item()
            if sampler != "ddpm"
            else None
        )
        row = {
            "data": model["data"],
            "sampler": sampler,
            "steps": S,
            "guidance": guidance,
            "seed": seed,
            "calls": how["network_calls"],
        }
        rows.append(row | {"seconds": seconds, "error": error, "scores": scores})
    return rows
