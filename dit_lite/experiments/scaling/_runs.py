"""Runs of one family of models, evaluated along the way: the data that laws are fitted
to.
"""

import dataclasses
import functools
import warnings
from collections.abc import Callable

from ...analysis.scaling_laws import (
    COUNTS,
    ScalingLaw,
    ScalingWarning,
    fit_scaling_law,
    flops_per_image,
    model_size,
)
from ...config import DiTConfig, TrainConfig
from ...data import Dataset, Loader, load_data
from ...evaluation import held_out, mean_loss
from ...lab.arms import train_arm
from ...model.dit import DiT
from ...training import Trainer, build_model


def run_config(
    family: dict, steps: int, seed: int, lr: float | None = None, **model
) -> TrainConfig:
    """The run of one member of a `family` (data, preset, model, batch_size, lr,
    warmup): a constant rate, so that every point of its curve is the end of a shorter
    run.
    """
    return TrainConfig(
        data=family["data"],
        preset=family["preset"],
        changes=family["model"] | model,
        steps=steps,
        batch_size=family["batch_size"],
        lr=family["lr"] if lr is None else lr,
        warmup=min(family["warmup"], steps),
        schedule="constant",
        ema_decay=family["ema_decay"],
        seed=seed,
    )


def sizes(config: DiTConfig) -> dict:
    """What a model costs, in the units of every count of Psi."""
    found = {name: model_size(config, name) for name in COUNTS}
    return (
        {"parameters": found.pop("all")}
        | found
        | {"flops_per_image": flops_per_image(config)}
    )


def member(family: dict, **model) -> DiTConfig:
    """The model of a family, without training it."""
    classes = dict(num_classes=10, class_names=())
    shape = {
        "digits": dict(image_size=8, channels=1) | classes,
        "cifar10": dict(image_size=32, channels=3) | classes,
        "shapes": load_data("shapes").shape,
    }
    return build_model(run_config(family, 1, 0, **model), shape[family["data"]])


def loss_curve(
    config: TrainConfig,
    at: list[int],
    repeats: int,
    images: int | None,
    prepare: Callable[[Trainer], None] | None = None,
    loss: Callable[[DiT, Dataset, int], float] = mean_loss,
) -> dict:
    """Train, and measure the held-out loss of the averaged weights after each number
    of steps in `at`: sizes, images seen, losses.
    """
    data = held_out(config.data, images)
    model, losses = train_arm(
        config, at, lambda average: loss(average, data, repeats), prepare
    )
    seen = [stop * config.batch_size for stop in at]
    return sizes(model.config) | {"images": seen, "losses": losses}


@functools.lru_cache(maxsize=1)
def first_images(name: str, count: int) -> Dataset:
    """The first `count` images of a training set and no others, cached for the next
    run: drawing shapes costs more than training on them.
    """
    data = load_data(name, "train")
    few = dataclasses.replace(
        data, images=data.images[:count], labels=data.labels[:count]
    )
    # shapes are endless unless a limit is set
    return dataclasses.replace(few, fresh=False) if hasattr(few, "fresh") else few


def limited_to(config: TrainConfig, count: int) -> Callable[[Trainer], None]:
    """A `prepare` of `loss_curve`: train on `first_images`, in an order set by the
    seed. No image repeats as long as a run sees at most `count`.
    """

    def limit(trainer: Trainer) -> None:
        few = first_images(config.data, count)
        trainer.loader = Loader(few, config.batch_size, config.seed, trainer.device)

    return limit


#: Fields with one value per stop or per noise level.
CURVES = ("images", "losses", "loss_by_time")


def points(curves: list[dict]) -> list[dict]:
    """One row for every loss of every curve, with the number of its run."""
    return [
        {k: v for k, v in curve.items() if k not in CURVES}
        | {"run": i, "images": n, "loss": loss}
        for i, curve in enumerate(curves)
        for n, loss in zip(curve["images"], curve["losses"], strict=True)
    ]


def fitted(rows: list[dict], size: str = "parameters") -> tuple[ScalingLaw, list[str]]:
    """The law fitted to rows, and the fit's warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScalingWarning)
        law = fit_scaling_law(
            *([row[name] for row in rows] for name in (size, "images", "loss")),
            runs=[row["run"] for row in rows],
        )
    return law, [str(w.message) for w in caught if w.category is ScalingWarning]


def law_values(law: ScalingLaw, warned: list[str]) -> dict:
    """A law as JSON values: its numbers, their 90 % intervals, and warnings."""
    return {
        name: {"value": getattr(law, name), **law.interval(name)._asdict()}
        for name in law.draws
    } | {"warnings": warned}


#: Small models on shapes that are always fresh: no image repeats, so that the
#: measurement is of the number of images seen, not of how often each is seen. Rates by
#: muP from `base_width`. A token of 16 numbers cannot carry the noise of a patch of 16
#: x 16 x 3, so the models predict the image (chapter 2).
SHAPES = dict(
    data="shapes", preset="S/4",
    model=dict(
        conditioning="adaln_zero", objective="x0", data_std=0.5,
        patch_size=8, depth=2, heads=4, base_width=32,
    ),
    batch_size=32, lr=4e-3, warmup=20, ema_decay=0.99,
)  # fmt: skip
#: The same on digits, where samples are judged.
DIGITS = dict(
    data="digits", preset="digits",
    model=dict(depth=4, heads=4, base_width=32),
    batch_size=64, lr=4e-3, warmup=20, ema_decay=0.98,
)  # fmt: skip
CIFAR10 = dict(
    data="cifar10", preset="S/4",
    model=dict(depth=8, heads=4, base_width=64),
    batch_size=256, lr=2e-3, warmup=100, ema_decay=0.99,
)  # fmt: skip
