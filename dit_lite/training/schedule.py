"""The learning rate as a share of its peak, step by step."""

import math


def constant(progress: float) -> float:
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (1608.03983 eq. 5)."""
    return (1 + math.cos(math.pi * progress)) / 2


def cosine_as_written(progress: float) -> float:
    """cos(pi t / T) as it is often written down: below zero from the middle on, where
    the optimiser climbs. For demonstration only.
    """
    return math.cos(math.pi * progress)


SCHEDULES = {
    "constant": constant,
    "cosine": cosine,
    "cosine_as_written": cosine_as_written,
}


def learning_rate(schedule: str, step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate at `step` (from 0): linear to 1 over `warmup` steps,
    then `schedule` over the rest.
    """
    if step < warmup:
        return (step + 1) / warmup
    return SCHEDULES[schedule]((step - warmup) / max(1, steps - warmup))
