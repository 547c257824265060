"""What a training run needs in memory, what there is, and which batch would fit."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..config import DiTConfig

STATE = 20  # bytes of a parameter: fp32 weight, gradient, two moments of Adam, average
RESERVE = 0.9  # of a memory; the rest goes to the driver, to libraries and to gaps


def memory_needed(model: DiTConfig, batch: int, precision: str) -> float:
    """Bytes that training keeps: parameters and their optimiser, and activations as
    `dit_lite.flops` counts them, halved in bf16.

    An estimate from below: what a layer needs while it is at work comes on top.
    """
    # where it is needed, since the other rooms of analysis use this one
    from ..analysis import flops

    total = flops(model)["total"]
    return STATE * total.parameters + batch * total.activation_bytes / (
        2 if precision == "bf16" else 1
    )


def fits(model: DiTConfig, batch: int, precision: str, memory: float) -> bool:
    """Whether such a run goes into `memory` bytes, of which `RESERVE` is counted on."""
    return memory_needed(model, batch, precision) <= RESERVE * memory


def batch_that_fits(model: DiTConfig, batch: int, precision: str, memory: float) -> int:
    """The largest of batch/2, batch/4, ... whose training fits into `memory` bytes,
    0 when not even one image does.
    """
    batch //= 2
    while batch and not fits(model, batch, precision, memory):
        batch //= 2
    return batch


def free_memory() -> float:
    """Bytes of main memory that a process may still take: what the system says, or
    less where a container's limit is lower; inf if nobody says.
    """
    found = [float("inf")]
    with contextlib.suppress(OSError, ValueError):  # Linux
        found += [
            1024.0 * int(line.split()[1])
            for line in Path("/proc/meminfo").read_text().splitlines()
            if line.startswith("MemAvailable")
        ]
    # a container; without a limit the file says "max"
    with contextlib.suppress(OSError, ValueError):
        found.append(float(int(Path("/sys/fs/cgroup/memory.max").read_text())))
    # macOS says only what is built in
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return min(found)
