"""When is a sample's class decided: how much noise leaves it visible, how much makes
the model follow any label, and when an unconditional sample settles on a class.
"""

import torch
from torch import Tensor

from ...diffusion import Denoiser, start_time, to_images, to_model_units, trajectory
from ...evaluation import held_out, load_judge
from ...lab import Parts, experiment, grid
from ...training import load
from ...training.precision import pick_device
from ..diffusion.loss_beside_linear import LABELS

TIMES = [round(0.05 * i, 2) for i in range(1, 20)]


@experiment(
    "At which noise level does an image lose its class, and at which does a sample "
    "acquire one?",
    seconds=dict(cpu=60.0, gpu=30.0),
    maps=2,
    smoke=dict(seeds=[0], times=[0.3, 0.9], samples=20, steps=3),
    cpu=dict(seeds=[0, 1, 2], times=TIMES, samples=300, steps=20),
    gpu=dict(seeds=[0, 1, 2, 3, 4], times=TIMES, samples=1000, steps=50),
)
def class_settled(
    parts: Parts, seeds: list[int], times: list[float], samples: int, steps: int
) -> dict:
    """How the judge classifies the images that the shipped digits model predicts.

    Rows of kind "noised": held-out digits at noise level t, with the model given the
    class, another or none; the share of predicted images that show the true digit
    (`true`) and the given one (`given`, None for no class). Rows of kind "trajectory":
    samples without a class; the share of predicted images at t that the judge
    classifies like the finished image (`settled`).
    """
    cases, shared = grid(seed=seeds), dict(samples=samples, steps=steps)
    rows = parts.rows(noised_digits, cases, times=times)
    return {"rows": rows + parts.rows(unconditional_trajectories, cases, **shared)}


@torch.no_grad()
def noised_digits(seed: int, times: list[float]) -> list[dict]:
    """The model's predictions for noised held-out digits, by the label given."""
    device, data = pick_device("auto"), held_out("digits")
    model = load("digits", device)
    x, labels = (
        to_model_units(data.floats(), model.config).to(device),
        torch.from_numpy(data.labels).to(device),
    )
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    rows = []
    for label, relabel in LABELS.items():
        given = relabel(labels, model.config.num_classes)
        denoise = Denoiser(model, given)
        for t in times:
            read = reading(
                model.config,
                denoise(
                    denoise.path.mix(x, eps, torch.full((len(x),), t, device=device)), t
                ).x0,
            )
            row = {
                "kind": "noised",
                "label": label,
                "seed": seed,
                "t": t,
                "true": share(read == labels),
            }
            rows.append(
                row | {"given": share(read == given) if label != "no class" else None}
            )
    return rows


@torch.no_grad()
def unconditional_trajectories(seed: int, samples: int, steps: int) -> list[dict]:
    """How a class forms along the trajectories of unconditional samples."""
    model = load("digits", pick_device("auto"))
    labels = torch.full((samples,), model.config.num_classes)
    passed = [
        state for _, state in trajectory(model, labels, steps, 1.0, "dpmpp_2m", seed)
    ]
    last = reading(model.config, passed[-1][1])
    starts = [
        start_time(model.config.path, model.config.objective),
        *(t for t, _, _ in passed),
    ]
    return [
        {
            "kind": "trajectory",
            "seed": seed,
            "step": i,
            "t": starts[i],
            "settled": share(reading(model.config, x0) == last),
        }
        for i, (_, _, x0) in enumerate(passed)
    ]


def reading(config, x: Tensor) -> Tensor:
    """The judge's digits (n,) for x (n, 1, 8, 8), which is in the model's units."""
    return load_judge().to(x.device)(to_images(x, config)).argmax(1)


def share(right: Tensor) -> float:
    """Share of true among bools (n,)."""
    return right.double().mean().item()
