"""One loop that trains any model of this package, and what it saves."""

from ..files.pretrained import save_model, shipped
from ..files.writing import CheckpointError
from .build import build_model
from .checkpoint import load
from .ema import EMA
from .endings import Run
from .loop import Trainer, train
from .metrics import DivergedError
from .optim import OPTIMISERS
from .posthoc_ema import PowerEMA, synthesise
from .schedule import SCHEDULES, learning_rate
from .signals import Interrupted

__all__ = [
    "EMA", "OPTIMISERS", "SCHEDULES", "CheckpointError", "DivergedError", "Interrupted",
    "PowerEMA", "Run", "Trainer", "build_model", "learning_rate", "load", "save_model",
    "shipped", "synthesise", "train",
]  # fmt: skip
