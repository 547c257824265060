"""Exercises of chapter 9: guidance in an interval of t, a score for infinitely many
images, an impostor, averages of averages, a cheap sampler, filling a hole.
"""

import torch
from torch import Tensor

from ..diffusion import guide, sample
from ..evaluation import (
    Curve,
    at_infinity,
    class_accuracy,
    frechet_distance,
    halves,
    load_judge,
    network_calls,
    precision_recall,
    real_images,
)
from ..training import load
from .exercise import (
    ByClass,
    CheckFailed,
    exercise,
    images,
    number,
    require,
    returned,
    same,
)


def as_tensor(got) -> Tensor:
    """A result as a tensor, an empty one where it cannot be one."""
    try:
        return torch.as_tensor(got)
    except (TypeError, ValueError, RuntimeError):
        return torch.zeros(0)


@exercise("09.1")
def guidance_in_an_interval(guided) -> None:
    """guided(model, x, t, y, w, low, high): guidance only for the images whose time
    lies in the interval.
    """
    x, _ = images(seed=3)
    # times that every float type represents exactly
    t, y = torch.tensor([0.125, 0.25, 0.5, 0.875]), torch.tensor([0, 2, 1, 2])
    model = ByClass()
    plain, null = model(x, t, y), model(x, t, torch.full_like(y, 3))
    everywhere = (
        "With an interval that contains every t this is (1), guidance as in exercise 4 "
        "of chapter 1."
    )
    same(guided(model, x, t, y, 2.5, 0.0, 1.0), guide(null, plain, 2.5), everywhere)
    same(
        guided(model, x, t, y, 2.5, 0.95, 1.0),
        plain,
        "Outside the interval the plain conditional model answers; here no t "
        "lies in it.",
    )
    acts = ((t >= 0.25) & (t <= 0.5))[:, None, None, None]
    hint = (
        "Each image has its own t, so each has its own weight: which w means no "
        "guidance? Both ends belong to the interval."
    )
    same(
        guided(model, x, t, y, 2.5, 0.25, 0.5),
        torch.where(acts, guide(null, plain, 2.5), plain),
        hint,
    )


@exercise("09.2")
def score_at_infinity(infinite) -> None:
    """infinite(counts, scores): a of the least-squares line score = a + b / count."""
    counts = torch.tensor([80, 120, 200, 400, 700])
    generator = torch.Generator().manual_seed(0)
    for a, b in ((1.3, 90.0), (0.0, -4.0)):
        scores = (
            a
            + b / counts.double()
            + 0.01 * torch.randn(5, generator=generator, dtype=torch.float64)
        )
        got = number(infinite(counts, scores), "one number, the score at infinity")
        wanted = at_infinity(Curve(counts, scores, torch.zeros(5))).value
        hint = (
            "The score is a straight line in 1/count: fit it by least squares to all "
            "points. What is its value for infinitely many images?"
        )
        require(
            abs(got - wanted) < 1e-4 * max(1, abs(wanted)),
            f"For scores near {a:g} + {b:g}/n yours is {got:.5g}, not "
            f"{wanted:.5g}. {hint}",
        )


@exercise("09.3")
def fool_the_frechet_distance(impostor) -> None:
    """impostor(features): equally many other points, at Fréchet distance 0 and with
    nothing in common.
    """
    generator = torch.Generator().manual_seed(0)
    features = load_judge().features(
        real_images("train")[0][:700]
    ) + 1e-3 * torch.randn(700, 64, generator=generator)
    got = as_tensor(returned(impostor(features.clone())))
    require(
        got.shape == features.shape,
        f"Return a tensor of the shape of the features, {tuple(features.shape)}.",
    )
    distance, score = frechet_distance(features, got), precision_recall(features, got)
    require(
        distance < 1e-3,
        f"The Fréchet distance is {distance:.3g}, not 0. It sees the mean and "
        "the covariance; which maps of the points change neither?",
    )
    require(
        max(score) < 0.05,
        f"Precision is {score.precision:.2f} and recall {score.recall:.2f}: too near "
        "to the features, or too widely scattered. Both should be below 0.05. A "
        "covariance is of second order: which property of the centred points does it "
        "not see?",
    )


@exercise("09.4")
def average_of_averages(weights) -> None:
    """weights(tracked, wanted): how to combine averages with profiles t^gamma to come
    closest to another profile.
    """
    grid = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000

    def profiles(gammas: Tensor) -> Tensor:
        # (20000, n), each with integral 1
        return (gammas + 1) * grid[:, None] ** gammas

    for tracked, wanted in (
        ([6.0, 16.0], 6.0),
        ([6.0, 16.0], 10.0),
        ([2.0, 6.0, 20.0], 4.0),
    ):
        gammas = torch.tensor(tracked, dtype=torch.float64)
        got = weights(gammas, wanted)
        best = torch.linalg.lstsq(
            profiles(gammas), profiles(torch.tensor([wanted], dtype=torch.float64))
        ).solution[:, 0]
        hint = (
            "Least squares between functions: the difference from the wanted profile "
            "must be orthogonal to each tracked one, where the inner product of two "
            "functions is the integral of p_i p_j from 0 to 1. That is n linear "
            "equations for n weights."
        )
        got = as_tensor(returned(got)).double().flatten()
        require(
            len(got) == len(tracked),
            f"Return {len(tracked)} weights, one for each tracked average.",
        )
        same(got, best, hint, 1e-3)


@exercise("09.5")
def twelve_calls(settings) -> None:
    """settings() -> (sampler, steps, guidance, (low, high)): good guided digits for at
    most 12 network calls.
    """
    got = returned(settings())
    example = (
        'for example ("euler", 5, 1.5, (0.0, 1.0)): sampler, steps, w, (low, high)'
    )
    require(
        isinstance(got, (tuple, list)) and len(got) == 4,
        f"Return four things, {example}.",
    )
    sampler, steps, guidance, interval = got
    model = load("digits").requires_grad_(False)
    try:
        calls, unguided = (
            network_calls(model, sampler, steps, w, interval) for w in (guidance, 1.0)
        )
    except (TypeError, ValueError) as error:
        raise CheckFailed(
            f"These settings are not valid: {error}. Return them in this order, "
            f"{example}."
        ) from error
    require(
        guidance > 1 and calls > unguided,
        f"No step is guided: w = {guidance:g} acts in {calls - unguided} of "
        f"{unguided} calls. (Without guidance the task has a surprising answer of its "
        "own; the solution gives it.) Here w must be above 1 and the interval must "
        "hold at least one time at which the sampler calls the network.",
    )
    require(
        calls <= 12,
        f"It costs {calls} network calls per image; 12 are allowed. Count what a step "
        "of your sampler costs inside the interval and outside of it.",
    )
    accuracy, recall = judged(model, *got)
    require(
        accuracy >= 0.98 and recall >= 0.68,
        f"With {calls} calls {accuracy:.1%} are judged correct and the recall is "
        f"{recall:.3f}; 98.0% and 0.680 are wanted. At which t is guidance needed, "
        "and at which does it only cost calls and recall?",
    )


@torch.no_grad()
def judged(
    model,
    sampler: str,
    steps: int,
    guidance: float,
    interval: tuple[float, float],
    count: int = 300,
) -> tuple[float, float]:
    """Accuracy of samples of the digits model, and recall against as many real
    digits.
    """
    judge, labels = load_judge(), torch.arange(count) % 10
    made = sample(model, labels, steps, guidance, sampler, 3, interval)
    half, _ = halves(*real_images("train"))
    score = precision_recall(judge.features(half[0][:count]), judge.features(made))
    return class_accuracy(judge, made, labels, 10)[0], score.recall


@exercise("09.6")
def fill_a_hole(fill) -> None:
    """fill(velocity, x0, known, noise, steps): Euler's steps that keep the known pixels
    on their path.
    """
    x0, noise = images(seed=5)
    known = torch.zeros(4, 4, dtype=torch.bool)
    known[:, :2] = True
    seen = []

    def velocity(x: Tensor, t: float) -> Tensor:
        seen.append((float(t), x.clone()))
        return torch.tanh(x.flip(-1)) + float(t)  # the hole depends on known pixels

    got = returned(fill(velocity, x0, known, noise, 5))
    require(
        isinstance(got, Tensor) and got.shape == x0.shape,
        f"Return images of shape {tuple(x0.shape)}.",
    )
    times = [t for t, _ in seen]
    require(
        len(times) == 5
        and all(abs(t - (1 - i / 5)) < 1e-6 for i, t in enumerate(times)),
        f"The velocity was evaluated at t = {', '.join(f'{t:.3g}' for t in times)}; "
        "five steps evaluate it at 1, 0.8, 0.6, 0.4, 0.2.",
    )
    for t, x in seen:
        hint = (
            f"At t = {t:.1f} the model must see the known pixels on the path from the "
            "given noise to x0, whatever the earlier steps have made of them."
        )
        same(x[..., known], ((1 - t) * x0 + t * noise)[..., known], hint)
    same(
        got[..., known],
        x0[..., known],
        "The result must have the known pixels as given: put them back after the last "
        "step too.",
    )
    x = noise
    for i in range(5):
        t = 1 - i / 5
        x = torch.where(known, (1 - t) * x0 + t * noise, x)
        x = x - (torch.tanh(x.flip(-1)) + t) / 5
    same(
        got,
        torch.where(known, x0, x),
        "The known pixels are right. Inside the hole use the Euler sampler of "
        "exercise 3 of chapter 1, starting from the noise.",
    )
