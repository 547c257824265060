"""The report on a model: its samples and real images in one table, with everything
that a reader needs to trust it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..config import choose
from ..config.fields import Text, Whole
from ..config.sampling import GUIDANCE, SAMPLER, STEPS
from ..data import DATASETS, Dataset, load_data
from ..diffusion import sample, trajectory
from ..diffusion.sampling import denoiser_config
from ..model.dit import DiT
from ..pretrained import Origin
from ..training.ema import reach
from .classification_accuracy_score import LEARNERS, classification_score
from .estimate import estimate, in_words
from .extractor import EXTRACTORS, Extracted, Extractor, extract, load_extractor
from .intervals import Interval
from .label_penalty import LabelPenalty, label_penalty
from .measure import SCORES, measure, real_against_real
from .reference import Reference, ReferenceError, data_reference, load_reference
from .sample_size import halves
from .scores import Scores, ScoreTable

#: data set -> the extractor whose classes are its classes, as "accuracy" needs them.
#: Other data are seen by Inception-v3.
JUDGES = {
    "digits": "digits-judge",
    "cifar10": "cifar10-judge",
    "imagenet64": "imagenet64-judge",
}
#: what is typed -> the name of a score
NAMES = {name.lower().replace("é", "e"): name for name in (*SCORES, "CAS")}
#: Of n images a share such as precision is known to about 1/sqrt(n), at 95 %: fewer
#: than FEWEST real images say nothing, ENOUGH give 5 points.
FEWEST, ENOUGH = 50, 400
REHEARSED = 5_000
COUNT = Whole(1, 10_000_000)


def _name(field: str, value) -> str | None:
    """A name or a path as a string, or None."""
    return None if value is None else Text("a name or a path")(field, value)


@dataclass(frozen=True)
class Report:
    """Two rows, the samples and real images in their place; `left_out`, the scores
    that could not be had and why; `by_class` (K,), the share of samples judged to be
    of their class, NaN for a class without samples, or None without a judge;
    `class_names`, K names or none; `loss`, what the model loses on the real images
    by the label it is given, or None without the images themselves.
    """

    samples: Scores
    real: Scores
    left_out: dict[str, str]
    by_class: tuple[float, ...] | None = None
    class_names: tuple[str, ...] = ()
    loss: LabelPenalty | None = None

    def __str__(self) -> str:
        lines = [str(ScoreTable([self.samples, self.real]))]
        if self.by_class:
            share, k = min(
                (share, k) for k, share in enumerate(self.by_class) if share == share
            )
            lines.append(
                "Accuracy of the worst class, "
                f"{self.class_names[k] if self.class_names else k}: {share:.1%}."
            )
        if (
            few := min(
                count
                for row in (self.samples, self.real)
                for count in (row.samples, row.reference_count)
            )
        ) < ENOUGH:
            near, nearer = (100 / n**0.5 for n in (few, ENOUGH))
            lines.append(
                f"Few images: of {few} a share such as precision is known to "
                f"about {near:.0f} points in 100, of {ENOUGH} to {nearer:.0f}."
            )
        if self.loss:
            lines.append(str(self.loss))
        return "\n".join(lines + self._left_out())

    def _left_out(self) -> list[str]:
        """A line for each reason; where both rows lack a score, the reason of the
        first.
        """
        rows, reasons, lines = {}, {}, {}
        for name, reason in self.left_out.items():
            score, row = name.split(" of ", 1)
            rows.setdefault(score, []).append(row)
            reasons.setdefault(score, reason)
        for score, reason in reasons.items():
            lines.setdefault((" and ".join(rows[score]), reason), []).append(score)
        return [
            f"Left out of {row}: {', '.join(scores)}: {reason}."
            for (row, reason), scores in lines.items()
        ]

    def to_dict(self) -> dict:
        """Everything, as JSON can hold it: both rows whole, and each score once more
        by its plain name, real_NAME that of real images.
        """
        made, real = (
            {
                plain: row.values[name].value
                for plain, name in NAMES.items()
                if name in row.values
            }
            for row in (self.samples, self.real)
        )
        shares = {
            f"{name}_share": made[name] / real[name]
            for name in ("precision", "recall")
            if name in made and real.get(name)
        }
        worst = (
            {"worst_class": min(share for share in self.by_class if share == share)}
            if self.by_class
            else {}
        )
        row = self.samples
        how = {
            "samples": row.samples,
            "guidance": row.guidance,
            "steps": row.steps,
            "sampler": row.sampler,
            "seed": row.seeds[0],
        }
        flat = (
            made
            | worst
            | {f"real_{name}": value for name, value in real.items()}
            | shares
            | how
        )
        loss = {"loss": asdict(self.loss)} if self.loss else {}
        return (
            flat
            | {
                "rows": [self.samples.to_dict(), self.real.to_dict()],
                "left_out": self.left_out,
            }
            | loss
        )


class Real(NamedTuple):
    """Real images, and what tables call them."""

    name: str
    data: Dataset

    def some(self, index: Tensor | slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) in [-1,1] and labels (n,)."""
        index = index.numpy() if isinstance(index, Tensor) else index
        return self.data.floats(index), torch.from_numpy(self.data.labels[index])


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
    """Draw `samples` images, evenly over the classes, and score them and real ones
    against the reference.

    data: the data set that the model was trained on, `origin.data` if None; guidance to
    seed as in `sample`. extractor: the judge of the data set, else Inception-v3.
    reference: a data set or folder, "NAME:test" for its held-out images, a file of
    `save_reference`, or the training images as `training_reference` has seen them,
    which it does for many reports at once; the training images if None. scores: plain
    names (`NAMES`), all that can be had if None; those that refuse are then left out
    with their reason. "cas" trains a classifier on the samples and tests it on held-out
    real images. repeats: draws for an interval. draw: makes the images, as `sample`
    does; distributed.sampling has one for several processes. Raises ValueError for
    data, a reference or labels that do not fit the model, for a score that was asked
    for and refuses, when every sample is NaN, and what `sample` and `load_data` refuse;
    ReferenceError for statistics of another extractor or resolution, or fewer than
    FEWEST images.
    """
    config = denoiser_config(model)
    samples, repeats = COUNT("samples", samples), COUNT("repeats", repeats)
    steps, seed = COUNT("steps", steps), Whole(0)("seed", seed)
    data, extractor = _name("data", data), _name("extractor", extractor)
    named = isinstance(reference, Reference)
    reference = reference if named else _name("reference", reference)
    name, split = ("", "train") if named else _named(reference or "")
    data = data or (origin.data if origin else name or _recognise(model))
    names = _wanted(scores, data, extractor)
    seer = _opened(extractor or JUDGES.get(data, "inception-v3"))
    real = None if reference and not (named or name) else _real(
        name or data, split, model
    )  # fmt: skip
    against = _seen(reference, real, seer, data, config.image_size)
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


def _seen(
    reference: str | Reference | None,
    real: Real | None,
    seer: Extractor,
    data: str,
    image_size: int,
) -> Reference | None:
    """The reference as somebody has seen it before, None where real images are still
    to be looked at. Raises ReferenceError for one that does not fit, and for too few
    images, seen or not.
    """
    against = None
    if isinstance(reference, Reference):
        against = reference.require(seer.name, image_size, seer.dimension)
        if against.name != real.name:
            raise ReferenceError(
                f"the reference is of {against.name!r}, the model of "
                f"{real.name!r}; make it with training_reference({data!r})"
            )
    elif real is None:
        against = load_reference(reference, seer, image_size)
    name, count = (
        (real.name, len(real.data)) if against is None else (against.name, len(against))
    )
    if count < FEWEST:
        raise ReferenceError(
            f"the reference {name!r} has {count} images, too few "
            "for any score: of so few a share is known to "
            f"{100 / max(1, count) ** 0.5:.0f} points in 100; have {FEWEST} or "
            f"more, better {ENOUGH}"
        )
    return against


def training_reference(data: str) -> Reference:
    """The training images of a data set with a judge, as that judge sees them:
    `evaluate_model(..., reference=)` takes it, where many reports share it.
    """
    choose("data set with a judge", data, JUDGES)
    images = load_data(data, "train")
    return data_reference(f"{images.name} train", images, _opened(JUDGES[data]))


@torch.no_grad()
def network_calls(
    model: DiT,
    sampler: str,
    steps: int,
    guidance: float,
    interval: tuple[float, float] = (0.0, 1.0),
) -> int:
    """Network evaluations an image, counted on a real trajectory."""
    *_, (denoiser, _) = trajectory(
        model, [0], steps, guidance, sampler, interval=interval
    )
    return denoiser.calls


def _recognise(model: DiT) -> str:
    """The data set of weights that do not name one: digits, by the shape of its
    images and its classes.
    """
    config, shape = model.config, DATASETS["digits"]().shape
    if config.class_names in ((), shape["class_names"]) and all(
        getattr(config, name) == shape[name] for name in shape if name != "class_names"
    ):
        return "digits"
    raise ValueError(
        "the weights do not say which data the model was trained on; name the "
        "data set or folder as the reference"
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
            f"score='accuracy' needs a judge of the classes of {data!r}; "
            f"{judge}; leave it out"
        )
    if "cas" in scores and data not in LEARNERS:
        raise ValueError(
            "score='cas' needs a classifier that learns the classes of "
            f"{data!r}; there is one for: {', '.join(LEARNERS)}; leave it out"
        )
    return [NAMES[name] for name in scores]


def _opened(name: str) -> Extractor:
    try:
        return load_extractor(name)
    except (ImportError, FileNotFoundError) as error:
        others = ", ".join(other for other in EXTRACTORS if other != name)
        raise ValueError(
            f"extractor={name!r}: {error}; or choose one that ships, for images "
            f"of the size of its data: {others}"
        ) from None


def _named(reference: str) -> tuple[str, str]:
    """Data set and split of a reference; no data set for a file."""
    before, _, after = reference.rpartition(":")
    if reference.endswith(".safetensors"):
        return "", "train"
    return (
        (before, after)
        if before and after in ("train", "test")
        else (reference, "train")
    )


def _real(name: str, split: str, model: DiT) -> Real:
    """The images of a data set, if the model makes such images of such classes."""
    config = model.config
    data = load_data(name, split, None if name in DATASETS else config.image_size)
    for field, theirs in data.shape.items():
        mine = getattr(config, field)
        if mine != theirs and not (field == "class_names" and not mine):
            raise ReferenceError(
                f"the reference {name!r} has {field}={theirs!r}, the model "
                f"{mine!r}; choose the data that the model was trained on"
            )
    return Real(f"{data.name} {split}" if name in DATASETS else data.name, data)


def _rehearse(
    names: Sequence[str], against: Reference, labels: Tensor, repeats: int, seed: int
) -> None:
    """Score as many images as will be made, with real ones in their place: what a
    score refuses, it refuses before they are made, and not hours later. Large sets are
    taken at their word: none is too few, and scoring them takes long.
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
    fewest = min(repeats, 20)  # which is what a level of 95 % asks for
    measure(
        "samples", against, stand_ins, labels, [n for n in names if n != "CAS"], fewest
    )


def _cas(
    data: str, model: DiT, images: Tensor, labels: Tensor, real: Real | None, seed: int
) -> list[Callable[[], Interval]]:
    """The classification accuracy score of the samples, and of as many real images;
    both are tested on the held-out images.
    """

    def trained_on(images: Tensor, labels: Tensor) -> Interval:
        return classification_score(
            LEARNERS[data], images, labels, *_real(data, "test", model).some(), seed
        )

    def of_real() -> Interval:
        if real is None or real.name != f"{data} train":
            raise ValueError(
                "real images to learn from are those of the training set; use it "
                "as the reference"
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
