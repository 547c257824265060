"""All scores of a set of images against a reference, each with its interval, and the
same scores for real images.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...config import choose
from ..inputs import require_classes
from ..networks.extractor import Extracted
from ..scores.density_coverage import density_coverage
from ..scores.frechet import frechet_distance, gaussian
from ..scores.inception_score import inception_score
from ..scores.intervals import Interval, half_samples, share
from ..scores.kernel import kernel_distance
from ..scores.precision_recall import precision
from ..scores.sample_size import halves
from .reference import Reference
from .score_table import Scores

#: A score: (reference, the samples' features, their labels, draws for the interval,
#: seed) -> Interval.
Score = Callable[[Reference, Extracted, Tensor, int, int], Interval]


def _frechet(reference, made, labels, repeats, seed):
    real = gaussian(reference.features)
    return half_samples(
        lambda some: frechet_distance(real, gaussian(some)),
        made.features,
        repeats=repeats,
        seed=seed,
    )


def _kernel(reference, made, labels, repeats, seed):
    return kernel_distance(
        reference.features, made.features, subsets=repeats, seed=seed
    )


def _inception(reference, made, labels, repeats, seed):
    return half_samples(
        lambda some: inception_score(some).value,
        made.probabilities,
        repeats=repeats,
        seed=seed,
    )


def _neighbours(
    statistic: Callable[[Tensor, Tensor], float], most: float = 1.0
) -> Score:
    """A neighbourhood score between 0 and `most`, with as many real images as samples,
    since it depends on both counts. An interval is clipped to the score's range.
    """

    def score(reference, made, labels, repeats, seed):
        real = reference.features[
            torch.randperm(
                len(reference), generator=torch.Generator().manual_seed(seed)
            )[: len(made.features)]
        ]
        found = half_samples(
            lambda some: statistic(real, some),
            made.features,
            repeats=repeats,
            seed=seed,
        )
        return replace(found, low=max(found.low, 0.0), high=min(found.high, most))

    return score


def _accuracy(reference, made, labels, repeats, seed):
    return share(made.probabilities.argmax(1) == labels)


SCORES: dict[str, Score] = {
    "Fréchet": _frechet,
    "kernel": _kernel,
    "Inception": _inception,
    "precision": _neighbours(precision),
    "recall": _neighbours(lambda real, made: precision(made, real)),
    "density": _neighbours(
        lambda real, made: density_coverage(real, made).density, math.inf
    ),
    "coverage": _neighbours(lambda real, made: density_coverage(real, made).coverage),
    "accuracy": _accuracy,
}


def measure(
    row: str,
    reference: Reference,
    made: Extracted,
    labels: Tensor,
    scores: Sequence[str] = tuple(SCORES),
    repeats: int = 100,
    draw_seed: int = 0,
    **how,
) -> Scores:
    """The chosen scores of samples as a row of a table; `how` are the fields of
    `Scores` that say how the samples were made.

    labels (n,) are the requested classes, without those of lost images:
    `labels[made.kept]`. "Inception" and "accuracy" use the extractor's classes; leave
    "accuracy" out when these are not the labels' classes. `draw_seed` is the seed of
    the intervals. Raises ReferenceError when samples and reference differ in extractor,
    resolution or feature size, ValueError for labels that do not fit, for a class of
    which the reference has no image, and for a score that cannot be computed: leave it
    out of `scores`.
    """
    for name in scores:
        choose("score", name, SCORES)
    reference.require(made.extractor, made.image_size, made.features.shape[1])
    labels = torch.as_tensor(labels)
    if labels.shape != (len(made.features),):
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, features are from "
            f"{len(made.features)} images; leave out lost ones: labels[made.kept]"
        )
    require_classes(labels, reference.labels, made.probabilities.shape[1])
    values = {
        name: SCORES[name](reference, made, labels, repeats, draw_seed)
        for name in scores
    }
    return Scores(
        row, values, reference.name, len(reference), made.extractor, made.image_size,
        len(made.features), made.lost,
        **{"note": reference.note} | how,
    )  # fmt: skip


def real_against_real(
    reference: Reference,
    scores: Sequence[str] = tuple(SCORES),
    repeats: int = 100,
    seed: int = 0,
    count: int | None = None,
) -> Scores:
    """The row of real images: one random half of the reference in the place of samples,
    or `count` of that half, against the other half.

    A model about as good as real images scores near this row, above or below it:
    another half gives another row, so average over several seeds before comparing
    closely. Raises what `measure` raises.
    """
    real, others = halves(
        reference.features, reference.probabilities, reference.labels, seed=seed
    )
    others = [part[:count] for part in others]
    half = replace(reference, features=real[0], probabilities=real[1], labels=real[2])
    seen = Extracted(
        others[0],
        others[1],
        torch.ones(len(others[0]), dtype=torch.bool),
        0,
        reference.extractor,
        reference.image_size,
    )
    return measure(
        "real against real", half, seen, others[2], scores, repeats, seed, seeds=(seed,)
    )
