"""How much a chapter may train while it is being built."""

from __future__ import annotations

import os
from typing import TypeVar

from ..config import choose

T = TypeVar("T")


def live(smoke: T, cpu: T) -> T:
    """The value for a live cell: `cpu` as a rule, `smoke` where DIT_LITE_BUDGET=smoke, as in the tests of the notebooks."""
    budget = os.environ.get("DIT_LITE_BUDGET", "cpu")
    choose("DIT_LITE_BUDGET", budget, ("smoke", "cpu"))
    return smoke if budget == "smoke" else cpu
