"""Coarse first: which spatial frequencies the noise leaves visible, which of them a
model recovers, and when a sample's class is settled.
"""

import torch
from torch import Tensor

from ...diffusion import (
    PATHS,
    Denoiser,
    start_time,
    to_images,
    to_model_units,
    trajectory,
)
from ...evaluation import held_out, load_extractor, radial_spectrum, visible_frequency
from ...lab import Parts, experiment, grid
from ...training import load
from ...training.precision import pick_device

DIGITS, CIFAR = (
    dict(data="digits", judge="digits-judge"),
    dict(data="cifar10", judge="cifar10-judge"),
)
TIMES = [round(0.05 * i, 2) for i in range(1, 20)]


@experiment(
    "What does a model recover of an image at each noise level: which frequencies, "
    "and which class?",
    seconds=dict(cpu=300.0, gpu=60.0),
    maps=3,
    smoke=dict(
        models=[DIGITS],
        seeds=[0],
        guidances=[1.0],
        times=[0.3, 0.7],
        images=40,
        samples=20,
        steps=3,
    ),
    cpu=dict(
        models=[DIGITS, CIFAR],
        seeds=[0, 1, 2],
        guidances=[1.0, 2.0],
        times=TIMES,
        images=200,
        samples=100,
        steps=20,
    ),
    gpu=dict(
        models=[DIGITS, CIFAR],
        seeds=[0, 1, 2],
        guidances=[1.0, 2.0],
        times=TIMES,
        images=355,
        samples=500,
        steps=20,
    ),
)
def spectra(
    parts: Parts, models: list[dict], seeds: list[int], guidances: list[float],
    times: list[float], images: int, samples: int, steps: int,
) -> dict:  # fmt: skip
    """Radial spectra, in cycles per image, in the model's own units, where the noise
    has power 1 at every frequency.

    Rows of kind "data" hold the spectrum of the held-out images and the highest
    frequency visible at each t; "x0_pred" the model's predictions for held-out images
    at noise level t, given their class: 1 - |error|^2/|truth|^2 by frequency;
    "trajectory" the same along sampling trajectories, with the finished sample as the
    truth, and the judge's classes for the predicted images.
    """
    rows = parts.map(
        one_spectrum, [{"data": model["data"]} for model in models], times=times
    )
    noised = [model | one for model in models for one in grid(seed=seeds)]
    rows += parts.rows(predicted_images, noised, times=times, images=images)
    draws = grid(seed=seeds, guidance=guidances)
    sampled = [model | draw for model in models for draw in draws]
    rows += parts.rows(trajectory_rows, sampled, samples=samples, steps=steps)
    return {"rows": rows}


def one_spectrum(data: str, times: list[float]) -> dict:
    """The spectrum of all held-out images."""
    config = load(data).config
    spectrum = radial_spectrum(to_model_units(held_out(data).floats(), config))
    visible = visible_frequency(
        spectrum, *PATHS[config.path].alpha_sigma(torch.tensor(times))
    )
    return {
        "kind": "data", "data": data, "frequency": spectrum.frequency.tolist(),
        "power": spectrum.power.tolist(), "t": times, "visible": visible.tolist()
    }  # fmt: skip


@torch.no_grad()
def predicted_images(
    data: str, judge: str, seed: int, times: list[float], images: int
) -> list[dict]:
    """The model's predictions for noised held-out images, one row per noise level."""
    device, some = pick_device("auto"), held_out(data)
    model = load(data).to(device)
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(len(some), generator=generator)[:images]
    x, labels = (
        to_model_units(some.floats(), model.config)[index],
        torch.from_numpy(some.labels)[index],
    )
    eps = torch.randn(x.shape, generator=generator)
    denoise, rows = Denoiser(model, labels.to(device)), []
    for t in times:
        seen = denoise(
            denoise.path.mix(x, eps, torch.full((len(x),), t)).to(device), t
        ).x0.cpu()
        read = reading(judge, model.config, seen)
        row = {
            "kind": "x0_pred",
            "data": data,
            "seed": seed,
            "t": t,
            "power": power(seen),
            "found": found(seen, x),
        }
        rows.append(row | {"accuracy": (read == labels).double().mean().item()})
    return rows


@torch.no_grad()
def trajectory_rows(
    data: str, judge: str, seed: int, guidance: float, samples: int, steps: int
) -> list[dict]:
    """What the model predicts on the way from noise to an image, one row per step."""
    model = load(data).to(pick_device("auto"))
    classes = model.config.num_classes
    labels = torch.arange(classes).repeat(samples // classes)
    passed = [
        (t, x.cpu(), x0.cpu())
        for _, (t, x, x0) in trajectory(
            model, labels, steps, guidance, "dpmpp_2m", seed
        )
    ]
    starts, finished = (
        [
            start_time(model.config.path, model.config.objective),
            *(t for t, _, _ in passed),
        ],
        passed[-1][1],
    )
    last, rows = reading(judge, model.config, finished), []
    for step, (t, (_, _, x0)) in enumerate(zip(starts, passed, strict=False)):
        row = {
            "kind": "trajectory",
            "data": data,
            "seed": seed,
            "guidance": guidance,
            "step": step,
            "t": t,
            "power": power(x0),
            "held": found(x0, finished),
        }
        read = reading(judge, model.config, x0)
        right = (read == labels).double()
        row |= {
            "accuracy": right.mean().item(),
            "settled": (read == last).double().mean().item(),
        }
        row |= {"by_class": [right[labels == k].mean().item() for k in range(classes)]}
        rows.append(row)
    return rows


def power(images: Tensor) -> list[float]:
    """The radial spectrum alone."""
    return radial_spectrum(images).power.tolist()


def found(images: Tensor, truth: Tensor) -> list[float]:
    """1 - |error|^2/|truth|^2 at each frequency: 1 for a perfect prediction, 0 where an
    empty image would do as well.
    """
    return (
        1 - radial_spectrum(images - truth).power / radial_spectrum(truth).power
    ).tolist()


def reading(judge: str, config, x: Tensor) -> Tensor:
    """The classes (n,) that a judge reads in x (n, C, H, W) in the model's units."""
    network = load_extractor(judge).network
    images = to_images(x, config).to(next(network.parameters()).device)
    return network.head(network.features(images)).argmax(1).cpu()
