"""Classifier-free guidance: ask with the class and without it, and go beyond the
difference (Ho & Salimans 2207.12598).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from ..model.conditions import null_like
from ..model.word_cache import WordCache, stamp
from .objectives import to_x0_eps
from .paths import PATHS


class Prediction(NamedTuple):
    """What a denoiser says about x_t: the image x0 and the noise eps it sees, and
    the learned variance channel or None. All (B, C, H, W).
    """

    x0: Tensor
    eps: Tensor
    variance: Tensor | None = None


def guide(unconditional: Tensor, conditional: Tensor, guidance: float) -> Tensor:
    """Beyond the difference: w = 1 is the conditional answer, w = 0 the other.

    Source: 2207.12598 eq. 6, whose w is one less; the form of the DiT paper.
    """
    return unconditional + guidance * (conditional - unconditional)


def unchanged(x: Tensor, t: float) -> Tensor:
    """The state itself: what the model sees when no pixel is known."""
    return x


def guidance_weight(config: DiTConfig, guidance: float | Mapping) -> float:
    """The weight of the one condition that a model has, given as a number or by name,
    {"caption": 2.5}. Raises ValueError for a condition that the model lacks.
    """
    if not isinstance(guidance, Mapping):
        return guidance
    if other := [name for name in guidance if name != config.condition]:
        raise ValueError(
            f"guidance has a weight for {other[0]!r}, and this model has the condition "
            f"{config.condition!r} alone; pass one number, or "
            f"{{{config.condition!r}: weight}}"
        )
    if not guidance:
        raise ValueError("guidance is empty; pass one number, 1 for none")
    return guidance[config.condition]


class Denoiser:
    """A model, labels and a guidance weight as one function of (x, t), which counts the
    network calls.

    `interval` (low, high): guidance acts where low <= t <= high, elsewhere the plain
    conditional model answers (2404.07724). A guided answer costs two calls, made as one
    pass over a doubled batch. `impute` (x, t) -> x puts
    known pixels into a state before the model sees it (inpainting).
    """

    def __init__(
        self,
        model: nn.Module,
        labels: Tensor,
        guidance: float = 1.0,
        interval: tuple[float, float] = (0.0, 1.0),
        impute: Callable[[Tensor, float], Tensor] = unchanged,
    ):
        config = model.config
        self.model, self.labels, self.guidance, self.interval = (
            model,
            labels,
            guidance,
            interval,
        )
        self.path, self.objective = PATHS[config.path], config.objective
        self.null = null_like(config, labels)
        self.channels, self.impute = config.channels, impute
        weights = next(model.parameters(), None)
        self.dtype = torch.float32 if weights is None else weights.dtype
        self.calls = 0  # network evaluations an image
        self.cache, self._both = WordCache(model), None

    def __call__(self, x: Tensor, t: float) -> Prediction:
        x = self.impute(x, t)
        times = torch.full((x.shape[0],), max(t, 0.0), device=x.device)
        if self.guidance != 1 and self.interval[0] <= t <= self.interval[1]:
            y = self.both()
            with self.cache.using(y):
                both = self.model(
                    torch.cat([x, x]).to(self.dtype), torch.cat([times, times]), y
                )
            conditional, unconditional = both.to(x.dtype).chunk(2)
            output = guide(
                unconditional[:, : self.channels],
                conditional[:, : self.channels],
                self.guidance,
            )
            self.calls += 2
        else:
            with self.cache.using(self.labels):
                conditional = self.model(x.to(self.dtype), times, self.labels)
            conditional = conditional.to(x.dtype)
            output = conditional[:, : self.channels]
            self.calls += 1
        variance = (
            conditional[:, self.channels :]
            if conditional.shape[1] > self.channels
            else None
        )
        exact = torch.full((1,), t, dtype=torch.float64, device=x.device)
        return Prediction(
            *to_x0_eps(self.objective, self.path, output, x, exact), variance
        )

    def both(self) -> Tensor:
        """The conditions of a guided call, with and without: one tensor for as long as
        they stay what they are, by which the cache knows them.
        """
        parts = [self.labels, self.null]
        stamps = [stamp(part) for part in parts]
        if self._both is None or self._both[0] != stamps:
            self._both = stamps, torch.cat(parts), parts
        return self._both[1]
