"""How much a chapter may train while it is being built, and where."""

from __future__ import annotations

import os
from typing import TypeVar

from ..config import choose
from ..training.precision import DEVICE

T = TypeVar("T")


def live(smoke: T, cpu: T) -> T:
    """The value for a live cell: `cpu` as a rule, `smoke` where
    DIT_LITE_BUDGET=smoke, as in the tests of the notebooks.
    """
    live_on_cpu()
    budget = os.environ.get("DIT_LITE_BUDGET", "cpu")
    choose("DIT_LITE_BUDGET", budget, ("smoke", "cpu"))
    return smoke if budget == "smoke" else cpu


def live_on_cpu() -> None:
    """From here on "auto" is the CPU, also where there is a GPU, unless
    DIT_LITE_DEVICE says otherwise: live cells are written for a CPU.
    """
    os.environ.setdefault(DEVICE, "cpu")
