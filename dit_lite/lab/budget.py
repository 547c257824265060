"""Three budgets: how much may be computed, where, and for how long."""

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from ..config import ConfigError, choose
from ..training.precision import DEVICE

T = TypeVar("T")
BUDGETS = ("smoke", "cpu", "gpu")
RECORDED = BUDGETS[1:]  # a result at smoke shows only that the code runs


def at_budget(smoke: T, cpu: T) -> T:
    """The value for a live cell: normally `cpu`, but `smoke` where
    DIT_LITE_BUDGET=smoke, as in the tests of the notebooks.
    """
    stay_on_cpu()
    budget = os.environ.get("DIT_LITE_BUDGET", "cpu")
    choose("DIT_LITE_BUDGET", budget, ("smoke", "cpu"))
    return smoke if budget == "smoke" else cpu


def stay_on_cpu() -> None:
    """From here on "auto" is the CPU, even where there is a GPU, unless DIT_LITE_DEVICE
    says otherwise: live cells are written for a CPU.
    """
    os.environ.setdefault(DEVICE, "cpu")


def device_of(budget: str) -> str:
    """The device of a budget."""
    return "cuda" if budget == "gpu" else "cpu"


def need_device(budget: str) -> None:
    """Raise ConfigError when this machine lacks the device of a budget."""
    if device_of(budget) == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"budget={budget!r} needs a CUDA device, but there is none; choose cpu or "
            "smoke"
        )


@contextlib.contextmanager
def on_device(name: str) -> Iterator[None]:
    """Inside, and in processes started there, the device "auto" means `name`."""
    before = os.environ.get(DEVICE)
    os.environ[DEVICE] = name
    try:
        yield
    finally:
        os.environ.pop(DEVICE, None)
        if before is not None:
            os.environ[DEVICE] = before


class OutOfTime(Exception):
    """The next part would exceed the time limit. Finished parts are kept; the message
    says how many there are and how to continue.
    """


@dataclass
class TimeLimit:
    """Seconds that a command may take, counted from the creation of this object. Raises
    ConfigError below one second.
    """

    seconds: float = math.inf
    began: float = field(default_factory=lambda: time.monotonic())
    used: bool = False  # whether a part has been done under this limit

    def __post_init__(self):
        if not self.seconds >= 1:
            raise ConfigError(f"time_limit={self.seconds:g} must be at least 1 second")

    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.began)
