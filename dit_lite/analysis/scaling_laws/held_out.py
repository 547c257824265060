"""The test of a scaling law: fit it to small runs, predict large ones, then look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .law import ScalingLaw, fit_scaling_law
from .points import ScalingError


@dataclass(frozen=True)
class HeldOut:
    """A law's predictions for runs that it had not seen, `predicted`, `low` and `high`,
    and their actual `loss`, each (k,); `law` is the fit to the other runs.
    """

    law: ScalingLaw
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    loss: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Relative errors of the prediction, (k,)."""
        return self.predicted / self.loss - 1

    @property
    def covered(self) -> float:
        """The share of held-out losses inside their interval."""
        return float(((self.low <= self.loss) & (self.loss <= self.high)).mean())


def predict_held_out(
    parameters, images, loss, held, *, level: float = 0.9,
    runs: Sequence | None = None, same: Mapping[str, Sequence] | None = None, **options,
) -> HeldOut:  # fmt: skip
    """Fit to the points outside the mask `held` (m,), predict those inside it.

    `options` are those of `fit_scaling_law`. Raises ScalingError for a mask that holds
    out nothing or everything.
    """
    held = np.asarray(held)
    loss = np.asarray(loss, float)
    if held.shape != loss.shape or held.dtype != bool or not 0 < held.sum() < held.size:
        raise ScalingError(
            f"held has shape {held.shape}, type {held.dtype} and {held.sum()} points; "
            f"give a mask of {loss.shape} that holds out some points and keeps some"
        )

    def kept(values):
        return (
            None
            if values is None
            else [v for v, h in zip(values, held, strict=True) if not h]
        )

    law = fit_scaling_law(
        kept(parameters), kept(images), kept(loss), runs=kept(runs),
        same={name: kept(values) for name, values in (same or {}).items()}, **options,
    )  # fmt: skip
    where = [
        None if v is None else np.asarray(v, float)[held] for v in (parameters, images)
    ]
    low, high = law.predict_interval(*where, level=level)
    return HeldOut(law, law.predict(*where), low, high, loss[held])
