"""The learning rate as a share of its peak, step by step."""

from __future__ import annotations

import math


def constant(progress: float) -> float:
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (1608.03983 eq. 5)."""
    return (1 + math.cos(math.pi * progress)) / 2


SCHEDULES = {"constant": constant, "cosine": cosine}


def learning_rate(schedule: str, step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate at `step` (from 0): linear to 1 over `warmup` steps,
    then `schedule` over the rest.
    """
    if step < warmup:
        return (step + 1) / warmup
    return SCHEDULES[schedule]((step - warmup) / max(1, steps - warmup))
