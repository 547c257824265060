"""One loop that trains any model of this package, and what it saves."""

from .checkpoint import CheckpointError, load, save_model, shipped
from .ema import EMA
from .loop import DivergedError, Interrupted, Run, Trainer, build_model, train
from .optim import OPTIMISERS
from .posthoc_ema import PowerEMA, synthesise
from .schedule import SCHEDULES, learning_rate

__all__ = [
    "EMA", "OPTIMISERS", "SCHEDULES", "CheckpointError", "DivergedError", "Interrupted",
    "PowerEMA", "Run", "Trainer", "build_model", "learning_rate", "load", "save_model",
    "shipped", "synthesise", "train",
]  # fmt: skip
