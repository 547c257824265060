"""The memory that a training run needs, what is free, and which batch would fit."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from ..config import ConfigError, DiTConfig, TrainConfig

STATE = 20  # bytes per parameter: fp32 weight, gradient, two moments of Adam, average
RESERVE = 0.9  # of a memory; the rest goes to the driver, to libraries and to gaps


def memory_needed(model: DiTConfig, batch: int, precision: str) -> float:
    """Bytes that training keeps: parameters and their optimiser, and activations as
    `dit_lite.flops` counts them, halved in bf16.

    A lower estimate: the working memory of the running layer comes on top.
    """
    # imported here, since other modules of analysis import this one
    from ..analysis import flops

    total = flops(model)["total"]
    return STATE * total.parameters + batch * total.activation_bytes / (
        2 if precision == "bf16" else 1
    )


def fits(model: DiTConfig, batch: int, precision: str, memory: float) -> bool:
    """Whether such a run fits into the share `RESERVE` of `memory` bytes."""
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
    """Bytes of main memory that a process may still take: the system's figure, or a
    container's limit if that is lower; inf if neither is known.
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
    # macOS reports only what is installed
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return min(found)


def check_memory(config: TrainConfig, model: DiTConfig, device: torch.device) -> None:
    """Raise ConfigError for a run that will not fit into the free main memory. What a
    GPU has is only known when it runs out.
    """
    if device.type == "cpu":
        free = free_memory()
        if not fits(model, config.batch_size, config.precision, free):
            raise _too_large(
                config, model, device, free, f", but {free / 1e9:.1f} GB are free"
            )


@contextlib.contextmanager
def out_of_memory(
    config: TrainConfig, model: DiTConfig, device: torch.device
) -> Iterator[None]:
    """While open, running out of memory is a ConfigError that says what to change."""
    try:
        yield
    except RuntimeError as error:
        full = isinstance(error, torch.OutOfMemoryError)
        if not full and "DefaultCPUAllocator" not in str(error):
            raise
        memory = (
            torch.cuda.get_device_properties(device).total_memory
            if device.type == "cuda"
            else free_memory()
        )
        raise _too_large(config, model, device, memory) from None


def _too_large(
    config: TrainConfig,
    model: DiTConfig,
    device: torch.device,
    memory: float,
    free: str = "",
) -> ConfigError:
    """The error for a run that does not fit into so many bytes."""
    B, precision = config.batch_size, config.precision
    ways = []
    if device.type == "cpu" and config.budget != "cpu" and config.data != "digits":
        ways.append("--budget cpu")
    if less := batch_that_fits(model, B, precision, memory):
        ways.append(f"--batch-size {less}")
    if device.type == "cuda" and precision == "fp32":
        ways.append("--precision bf16")
    ways.append("a smaller --preset or a --patch-size twice as large")
    return ConfigError(
        f"batch_size={B} needs more memory than {device} can spare: at least "
        f"{memory_needed(model, B, precision) / 1e9:.1f} GB{free}; choose "
        f"{', or '.join(ways)}"
    )
