"""Are the shipped models' samples new? Nearest training images of samples, of held-out
images, and of samples from a model that did memorise.
"""

import dataclasses
from functools import lru_cache

import torch
from torch import Tensor

from ...config import TrainConfig
from ...data import load_data
from ...diffusion import sample
from ...evaluation import load_extractor, memorisation
from ...lab import Parts, experiment, grid
from ...training import Trainer, load
from ...training.precision import pick_device

MANY = dict(count=1000, guidances=[1.0, 2.0])
SHARES = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
DIGITS = dict(
    data="digits", features=["pixels", "digits-judge"], count=1000, guidances=[1.0, 2.0]
)
CIFAR = dict(
    data="cifar10", features=["pixels", "cifar10-judge"], count=200, guidances=[2.0]
)
IMAGENET = dict(
    data="imagenet64",
    features=["pixels", "imagenet64-judge"],
    count=200,
    guidances=[2.0],
)
HEART = dict(
    data="digits",
    features=["pixels", "digits-judge"],
    count=200,
    guidances=[1.0],
    images=20,
    train_steps=1500,
)


@experiment(
    "Do the shipped models draw, or do they copy?",
    seconds=dict(cpu=900.0, gpu=120.0),
    smoke=dict(seeds=[0], steps=2, models=[DIGITS | dict(count=20, guidances=[1.0]),
    HEART | dict(count=10, train_steps=2)]),
    cpu=dict(seeds=[0, 1, 2], steps=12, models=[DIGITS, CIFAR, IMAGENET, HEART]),
    gpu=dict(
        seeds=[0, 1, 2], steps=25,
        models=[DIGITS, CIFAR | MANY, IMAGENET | MANY, HEART | dict(train_steps=5000)],
    ),
)  # fmt: skip
def memorisation_check(
    parts: Parts, seeds: list[int], steps: int, models: list[dict]
) -> dict:
    """Look up samples and held-out images among all training images, in pixels on
    [-1,1] and in a classifier's features.

    A model with `images` is trained on that many digits only, for `train_steps` steps:
    what a copying model looks like. `ratios` are distances to the nearest over
    distances to the second nearest; `quantiles` and `ratios` are at 5, 25, 50, 75 and
    95 %. `closest` are the eight nearest pairs.
    """
    cases = [
        case
        for case in grid(model=models, seed=seeds)
        if "images" not in case["model"] or case["seed"] == seeds[0]
    ]
    return {"rows": parts.rows(one_model, cases, steps=steps)}


def one_model(model: dict, seed: int, steps: int) -> list[dict]:
    """Samples and held-out images of one model, a row for each way of looking at
    them.
    """
    data, test = load_data(model["data"], "train"), load_data(model["data"], "test")
    by_heart = "images" in model
    if by_heart:
        data = dataclasses.replace(
            data,
            images=data.images[: model["images"]],
            labels=data.labels[: model["images"]],
        )
        denoiser = (
            Trainer(
                TrainConfig(
                    data="digits", steps=model["train_steps"], batch_size=32, seed=seed
                ),
                data=data,
            )
            .run()
            .model
        )
    else:
        denoiser = load(model["data"]).to(pick_device("auto"))
    classes = len(data.class_names)
    labels = torch.arange(classes).repeat(model["count"] // classes)
    index = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))[
        : model["count"]
    ]
    made = [
        ("samples", w, sample(denoiser, labels, steps, w, "dpmpp_2m", seed).cpu())
        for w in model["guidances"]
    ]
    made.append(("held out", None, test.floats()[index]))
    rows = []
    for features in model["features"]:
        train = seen_training(model["data"], features)[: len(data)]
        for name, guidance, images in made:
            looked = memorisation(seen(features, images), train)
            nearest = looked.distance.argsort()[:8].tolist()
            rows.append({
                "data": model["data"], "model": "by heart" if by_heart else "shipped",
                "seed": seed, "features": features, "made": name, "guidance": guidance,
                "count": len(images), "train": len(train), "median": looked.median,
                "copies": looked.copies,
                "quantiles": looked.distance.quantile(SHARES).tolist(),
                "ratios": looked.ratio.quantile(SHARES).tolist(),
                "closest": [[i, looked.index[i].item(),
                looked.distance[i].item()] for i in nearest],
            })  # fmt: skip
    return rows


@lru_cache(maxsize=2)
def seen_training(data: str, features: str) -> Tensor:
    """All training images; cached, since every seed searches them."""
    return seen(features, load_data(data, "train").floats())


@torch.no_grad()
def seen(features: str, images: Tensor) -> Tensor:
    """Images (n, C, H, W) as pixels, or as a classifier sees them: (n, d)."""
    if features == "pixels":
        return images.flatten(1)
    network = load_extractor(features).network
    device = next(network.parameters()).device
    return torch.cat(
        [network.features(some.to(device)).cpu() for some in images.split(500)]
    )
