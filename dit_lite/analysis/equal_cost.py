"""Reading training curves at equal cost instead of at equal steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def loss_after(steps: float, at: Sequence[int], loss: Sequence[float]) -> float:
    """The loss after `steps` steps of a run evaluated after `at` steps, interpolated
    linearly in the logarithm of the steps; NaN beyond the run's end.
    """
    if steps > at[-1] * 1.001:
        return math.nan
    return float(np.interp(math.log(steps), np.log(at), loss))
