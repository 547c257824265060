"""One loop that trains any model of this package, and what it saves."""

from .by_time import Bins, LossByTime, loss_by_time
from .checkpoint import CheckpointError, load, save_model, shipped
from .ema import EMA
from .loop import DivergedError, Interrupted, Run, Trainer, build_model, train
from .optim import OPTIMISERS
from .posthoc_ema import PowerEMA, synthesise
from .schedule import SCHEDULES, learning_rate
from .told import ToldLoss, told_loss
from .validation import validation_loss

__all__ = [
    "EMA", "OPTIMISERS", "SCHEDULES", "Bins", "CheckpointError", "DivergedError",
    "Interrupted", "LossByTime", "PowerEMA", "Run", "ToldLoss", "Trainer",
    "build_model", "learning_rate",
    "load", "loss_by_time", "save_model", "shipped", "synthesise", "told_loss",
    "train", "validation_loss",
]  # fmt: skip
