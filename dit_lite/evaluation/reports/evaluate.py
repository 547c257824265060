"""Samples of a model, and real images for comparison, scored against a reference."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...config import DiTConfig, choose
from ...config.fields import Text, Whole
from ...config.sampling import GUIDANCE, SAMPLER, STEPS
from ...data import DATASETS
from ...diffusion import sample
from ...diffusion.sampling import denoiser_config
from ...files.pretrained import Origin
from ...model.dit import DiT
from ...training.ema import reach
from ..losses.label_penalty import label_penalty
from ..networks.extractor import Extracted, extract
from ..scores.classification_accuracy_score import LEARNERS, classification_score
from ..scores.intervals import Interval
from ..scores.sample_size import halves
from .comparison import (
    JUDGES,
    Real,
    compared,
    named_reference,
    opened,
    recognised,
    seen,
)
from .estimate import estimate, in_words, network_calls
from .measure import measure, real_against_real
from .reference import Reference, data_reference
from .report import NAMES, Report

REHEARSED = 5_000
COUNT = Whole(1, 10_000_000)


def _name(field: str, value) -> str | None:
    """A name or a path as a string, or None."""
    return None if value is None else Text("a name or a path")(field, value)


def _require_classes(config: DiTConfig) -> None:
    """Raise ValueError for a model without classes, over which samples are spread, and
    for one whose samples are not images.
    """
    if config.autoencoder:
        raise ValueError(
            f"this model draws latents of {config.autoencoder!r}, and scores need "
            "images; decode samples with dit_lite.autoencoder.Autoencoder and pass "
            "them to dit_lite.evaluation.measure"
        )
    if config.condition == "label":
        return
    if config.words == DATASETS["shapes"]().shape["words"]:
        way_out = (
            "judge what it draws with dit_lite.evaluation.shapes.judge_captions"
            "(images, captions)"
        )
    elif config.condition == "caption":
        way_out = (
            "measure its loss on held-out pictures with "
            "python -m dit_lite card --checkpoint DIR --held-out DATA"
        )
    else:
        way_out = (
            "measure its loss on held-out pictures with "
            "dit_lite.evaluation.validation_loss(model, data, labels=features)"
        )
    raise ValueError(
        f"condition={config.condition!r}: these scores are for models of classes; "
        f"{way_out}"
    )


def evaluate_model(
    model: DiT,
    data: str | None = None,
    samples: int = 1000,
    guidance: float = GUIDANCE,
    interval: tuple[float, float] = (0.0, 1.0),
    steps: int = STEPS,
    sampler: str = SAMPLER,
    seed: int = 0,
    extractor: str | None = None,
    reference: str | Reference | None = None,
    scores: Sequence[str] | None = None,
    repeats: int = 50,
    origin: Origin | None = None,
    progress: bool = False,
    draw: Callable[..., Tensor] | None = None,
) -> Report:
    """Draw `samples` images, spread evenly over the classes, and score them and real
    images against the reference.

    data: the data set that the model was trained on, `origin.data` if None; guidance to
    seed as in `sample`. extractor: the judge of the data set, else Inception-v3.
    reference: a data set or folder, "NAME:test" for its held-out images, a file from
    `save_reference`, or the result of `training_reference`, which many reports can
    share; the training images if None. scores: plain names (`NAMES`), all available
    ones if None; those that raise an error are then left out with the reason. "cas"
    trains a classifier on the samples and tests it on held-out real images. repeats:
    draws for an interval. draw: makes the images, as `sample` does;
    distributed.sampling has one for several processes. Raises ValueError for a model
    without classes, for data, a reference or labels that do not fit the model, for a
    requested score that cannot be computed, when every sample is NaN, and where
    `sample` and `load_data` do; ReferenceError for statistics from another extractor or
    resolution, or from fewer than FEWEST images.
    """
    config = denoiser_config(model)
    _require_classes(config)
    samples, repeats = COUNT("samples", samples), COUNT("repeats", repeats)
    steps, seed = COUNT("steps", steps), Whole(0)("seed", seed)
    data, extractor = _name("data", data), _name("extractor", extractor)
    named = isinstance(reference, Reference)
    reference = reference if named else _name("reference", reference)
    name, split = ("", "train") if named else named_reference(reference or "")
    data = data or (origin.data if origin else name or recognised(model))
    names = _wanted(scores, data, extractor)
    seer = opened(extractor or JUDGES.get(data, "inception-v3"))
    real = None if reference and not (named or name) else compared(
        name or data, split, model
    )  # fmt: skip
    against = seen(reference, real, seer, data, config.image_size)
    labels = torch.arange(samples) % config.num_classes
    calls = network_calls(model, sampler, steps, guidance, interval)
    if progress:
        to_see = real.data if against is None else None
        seconds = estimate(model, samples, calls, seer, to_see)
        look = f", and {len(to_see):,} real images to look at" if to_see else ""
        tqdm.write(
            f"{samples:,} samples of {calls} network calls each{look}: about "
            f"{in_words(seconds)}",
            file=sys.stderr,
        )
    if against is None:
        against = data_reference(real.name, real.data, seer, progress)
    if scores is not None:
        _rehearse(names, against, labels, repeats, seed)
    images = (draw or sample)(
        model, labels, steps, guidance, sampler, seed, interval, progress=progress
    ).cpu()
    made = extract(seer, images)
    always = tuple(interval) == (0.0, 1.0)
    how = dict(
        guidance=float(guidance),
        guidance_interval=None if always else tuple(interval), sampler=sampler,
        steps=steps,
        network_calls=calls, ema=_average(origin), seeds=(seed,),
        images_seen=origin.images_seen if origin else None,
    )  # fmt: skip
    kept = labels[made.kept]
    cas = _cas(data, model, images, labels, real, seed)
    left_out: dict[str, str] = {}
    rows = []
    for row, learn, score in (
        (
            "samples",
            cas[0],
            lambda chosen: measure(
                "samples", against, made, kept, chosen, repeats, seed, **how
            ),
        ),
        (
            "real against real",
            cas[1],
            lambda chosen: real_against_real(against, chosen, repeats, seed, len(kept)),
        ),
    ):
        base, values = score([]), {}
        for name in names:
            try:
                values[name] = learn() if name == "CAS" else score([name]).values[name]
            except ValueError as error:
                if scores is not None and row == "samples":
                    raise
                left_out[f"{name} of {row}"] = str(error)
        rows.append(replace(base, values=values))
    judged = JUDGES.get(data) == seer.name
    by_class = _by_class(made, kept, model.config.num_classes) if judged else None
    return Report(
        *rows,
        left_out,
        by_class,
        model.config.class_names,
        label_penalty(model, real.data, samples, seed, real.name) if real else None,
    )


def _wanted(
    scores: Sequence[str] | None, data: str, extractor: str | None
) -> list[str]:
    judged = data in JUDGES and extractor in (None, JUDGES[data])
    if scores is None:
        return [
            name
            for name in NAMES.values()
            if (judged or name != "accuracy") and (data in LEARNERS or name != "CAS")
        ]
    if not isinstance(scores, (list, tuple)):
        raise TypeError(
            f"scores={scores!r} must be a list of names, from: {', '.join(NAMES)}"
        )
    for name in scores:
        choose("score", name, NAMES)
    if "accuracy" in scores and not judged:
        judge = (
            f"its judge is {JUDGES[data]!r}"
            if data in JUDGES
            else f"there is a judge for: {', '.join(JUDGES)}"
        )
        raise ValueError(
            f"score='accuracy' needs a judge for the classes of {data!r}; {judge}; "
            "leave it out"
        )
    if "cas" in scores and data not in LEARNERS:
        raise ValueError(
            "score='cas' needs a classifier that learns the classes of "
            f"{data!r}; there is one for: {', '.join(LEARNERS)}; leave it out"
        )
    return [NAMES[name] for name in scores]


def _rehearse(
    names: Sequence[str], against: Reference, labels: Tensor, repeats: int, seed: int
) -> None:
    """Score as many real images as samples will be made, so that a score that must fail
    does so now and not hours later. Large sets are not tried: they are never too few,
    and scoring them takes long.
    """
    if "CAS" in names and len(labels) < (classes := int(against.labels.max()) + 1):
        raise ValueError(
            f"score='cas' learns {classes} classes, and {len(labels)} samples leave "
            f"some without any; use at least {classes}"
        )
    if len(labels) > REHEARSED:
        return
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(against), (len(labels),), generator=generator)
    features = against.features[index]
    # no two images are quite alike
    noise = torch.randn(features.shape, generator=generator, dtype=features.dtype)
    stand_ins = Extracted(
        features + 1e-3 * features.std() * noise,
        against.probabilities[index],
        torch.ones(len(labels), dtype=torch.bool),
        0,
        against.extractor,
        against.image_size,
    )
    fewest = min(repeats, 20)  # the least for a level of 95 %
    measure(
        "samples", against, stand_ins, labels, [n for n in names if n != "CAS"], fewest
    )


def _cas(
    data: str, model: DiT, images: Tensor, labels: Tensor, real: Real | None, seed: int
) -> list[Callable[[], Interval]]:
    """The classification accuracy score of the samples, and of equally many training
    images, or half of them where that is less; both are tested on the held-out images.
    """

    def trained_on(images: Tensor, labels: Tensor) -> Interval:
        return classification_score(
            LEARNERS[data], images, labels, *compared(data, "test", model).some(), seed
        )

    def of_real() -> Interval:
        if real is None or real.name != f"{data} train":
            raise ValueError(
                "the real images to learn from must be the training set; use it as the "
                "reference"
            )
        _, (others,) = halves(torch.arange(len(real.data)), seed=seed)
        return trained_on(*real.some(others[: len(images)]))

    return [lambda: trained_on(images, labels), of_real]


def _by_class(made: Extracted, labels: Tensor, classes: int) -> tuple[float, ...]:
    right = (made.probabilities.argmax(1) == labels).double()
    return tuple(
        (labels.bincount(right, classes) / labels.bincount(minlength=classes)).tolist()
    )


def _average(origin: Origin | None) -> str | None:
    if origin is None:
        return None
    return (
        f"{reach(origin.ema_decay, origin.steps):,.0f} steps"
        if origin.ema_decay
        else "none"
    )
