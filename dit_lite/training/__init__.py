"""One loop that trains any model of this package, and what it saves."""

from .checkpoint import CheckpointError, load, save_model, shipped
from .ema import EMA
from .loop import DivergedError, Interrupted, Run, Trainer, build_model, train
from .schedule import SCHEDULES, learning_rate
from .validation import validation_loss

__all__ = [
    "EMA", "SCHEDULES", "CheckpointError", "DivergedError", "Interrupted", "Run", "Trainer", "build_model", "learning_rate", "load", "save_model",
    "shipped", "train", "validation_loss",
]  # fmt: skip
