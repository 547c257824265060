"""Classifier-free guidance: predict with the class and without it, and extrapolate
along the difference (Ho & Salimans 2207.12598); several conditions each have their own
weight (Brooks et al. 2211.09800).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from ..config.fields import Number
from ..model.conditions import rungs
from ..model.word_cache import WordCache, stamp
from .objectives import to_x0_eps
from .paths import PATHS

WEIGHT = Number(0, 1e9)


class Prediction(NamedTuple):
    """What a denoiser predicts from x_t: the image x0 and the noise eps, and the
    learned variance channel or None. All (B, C, H, W).
    """

    x0: Tensor
    eps: Tensor
    variance: Tensor | None = None


def guide(unconditional: Tensor, conditional: Tensor, guidance: float) -> Tensor:
    """Extrapolate along the difference: w = 1 gives the conditional prediction, w = 0
    the unconditional one.

    Source: 2207.12598 eq. 6, whose w is one less; in the form of the DiT paper.
    """
    return unconditional + guidance * (conditional - unconditional)


def guide_each(answers: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Start from the first of K + 1 answers and add each of the K steps to the next
    one, times its own weight. Equal weights are guidance by the last answer alone.

    Source: 2211.09800 eq. 3, for K = 2.
    """
    steps = [w * (b - a) for w, (a, b) in zip(weights, pairwise(answers), strict=True)]
    return sum(steps, answers[0])


def needed(weights: Sequence[float]) -> list[int]:
    """The indices of the K + 1 answers on which the result of `guide_each` depends, for
    K weights, one or more; always including the last.
    """
    K = len(weights)
    inner = [k for k in range(1, K) if weights[k - 1] != weights[k]]
    return [0] * (weights[0] != 1) + inner + [K]


def unchanged(x: Tensor, t: float) -> Tensor:
    """The state itself: what the model sees when no pixel is known."""
    return x


def guidance_weights(config: DiTConfig, guidance: float | Mapping) -> tuple[float, ...]:
    """A weight for each condition of a model: one number for all of them, or by name,
    {"class": 1.5, "words": 3}, where a condition left out has no guidance (w = 1).
    Raises ValueError for a condition that the model lacks or an invalid weight.
    """
    names = config.conditions
    if not isinstance(guidance, Mapping):
        return (WEIGHT("guidance", guidance),) * len(names)
    said = ", ".join(map(repr, names))
    if other := [name for name in guidance if name not in names]:
        known = "only the condition" if len(names) == 1 else "the conditions"
        raise ValueError(
            f"guidance has a weight for {other[0]!r}, but this model has {known} "
            f"{said}; pass one number, or a weight for {said}"
        )
    if not guidance:
        raise ValueError("guidance is empty; pass one number, 1 for no guidance")
    return tuple(
        WEIGHT(f"guidance[{name!r}]", guidance.get(name, 1.0)) for name in names
    )


class Denoiser:
    """A model, labels and guidance as one function of (x, t), which counts the network
    calls.

    `guidance` is one weight, or one for each condition of the model, in their order.
    `interval` (low, high): guidance acts where low <= t <= high, elsewhere the plain
    conditional prediction is used (2404.07724). A guided prediction costs two calls,
    and one more for each further condition with its own weight, made as one pass over a
    larger batch. `weaker`: conditions like `labels` that say less, from least to most,
    used instead of those that leave out whole conditions; each adds a weight. `impute`
    (x, t) -> x puts known pixels into a state before the model sees it (inpainting).
    Raises ValueError for a wrong number of weights.
    """

    def __init__(
        self,
        model: nn.Module,
        labels: Tensor,
        guidance: float | Sequence[float] = 1.0,
        interval: tuple[float, float] = (0.0, 1.0),
        impute: Callable[[Tensor, float], Tensor] = unchanged,
        weaker: Sequence[Tensor] | None = None,
    ):
        config = model.config
        self.model, self.labels, self.interval = model, labels, interval
        self.weaker = weaker
        steps = len(config.conditions) if weaker is None else len(weaker) + 1
        weights = guidance if isinstance(guidance, Sequence) else [guidance] * steps
        if len(weights) != steps:
            raise ValueError(
                f"guidance has {len(weights)} weights for {steps} conditions; pass one "
                "for each, or one number"
            )
        # steps of equal weight are one step
        self.asked = needed(weights)
        self.weights = [weights[k - 1] for k in self.asked[1:]]
        self.path, self.objective = PATHS[config.path], config.objective
        self.channels, self.impute = config.channels, impute
        first = next(model.parameters(), None)
        self.dtype = torch.float32 if first is None else first.dtype
        self.calls = 0  # network evaluations per image
        self.cache, self._together = WordCache(model), None

    def __call__(self, x: Tensor, t: float) -> Prediction:
        x = self.impute(x, t)
        guided = self.weights and self.interval[0] <= t <= self.interval[1]
        y, n = (self.together(), len(self.asked)) if guided else (self.labels, 1)
        times = torch.full((n * x.shape[0],), max(t, 0.0), device=x.device)
        with self.cache.using(y):
            answers = self.model(x.to(self.dtype).repeat(n, 1, 1, 1), times, y)
        answers = answers.to(x.dtype).chunk(n)  # the first with all conditions
        self.calls += n
        output = guide_each(
            [one[:, : self.channels] for one in reversed(answers)],
            self.weights if guided else (),
        )
        variance = (
            answers[0][:, self.channels :]
            if answers[0].shape[1] > self.channels
            else None
        )
        exact = torch.full((1,), t, dtype=torch.float64, device=x.device)
        return Prediction(
            *to_x0_eps(self.objective, self.path, output, x, exact), variance
        )

    def together(self) -> Tensor:
        """All conditions of a guided call, the fullest first: the same tensor for as
        long as nothing changes, by which the cache recognises it.
        """
        sources = [self.labels, *(self.weaker or ())]
        stamps = [stamp(one) for one in sources]
        if self._together is None or self._together[0] != stamps:
            every = rungs(self.model.config, self.labels)
            if self.weaker is not None:
                every = [every[0], *self.weaker, self.labels]
            asked = torch.cat([every[k] for k in reversed(self.asked)])
            self._together = stamps, asked, sources
        return self._together[1]
