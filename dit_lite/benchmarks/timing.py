"""How long a training step takes: many steps per clock reading, several kinds in
alternation, a median with its quartiles.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from ..analysis import count_macs
from ..config import DiTConfig

Step = Callable[[], object]


class Spread(NamedTuple):
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least two values."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def seconds(step: Step, count: int, device: torch.device) -> float:
    """Mean seconds of `count` steps. The clock is read with the GPU idle, before the
    first step and after the last, not in between.
    """
    synchronise(device)
    began = time.perf_counter()
    for _ in range(count):
        step()
    synchronise(device)
    return (time.perf_counter() - began) / count


def in_turns(
    steps: dict[str, Step], device: torch.device, rounds: int, least: float
) -> dict[str, list[float]]:
    """Seconds per step of each kind, already warmed up, in every round.

    In a round every kind runs for about `least` seconds, one after the other, and every
    second round runs them backwards: a machine that grows slower while it is measured
    slows all kinds alike.
    """
    counts = {
        name: max(1, math.ceil(least / seconds(step, 2, device)))
        for name, step in steps.items()
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(rounds):
        for name in list(steps)[:: -1 if i % 2 else 1]:
            found[name].append(seconds(steps[name], counts[name], device))
    return found


def host_seconds(step: Step, device: torch.device) -> float:
    """Median seconds until a step has been launched, not until it is done: where this
    is the whole step, the host is the bottleneck.
    """
    found = []
    for _ in range(5):
        synchronise(device)
        began = time.perf_counter()
        step()
        found.append(time.perf_counter() - began)
    synchronise(device)
    return spread(found).median


def matmul_peak(
    device: torch.device, dtype: torch.dtype, sizes: Sequence[int], least: float = 0.2
) -> tuple[float, int]:
    """The best rate in FLOP/s that a square product of random numbers reaches here, and
    its side; the median of five timings per side.
    """
    rates = []
    for n in sizes:
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        product = {"product": lambda a=a, b=b: a @ b}
        seconds(product["product"], 3, device)  # the first call initialises the library
        rates.append(
            (
                2
                * n**3
                / spread(in_turns(product, device, 5, least)["product"]).median,
                n,
            )
        )
    return max(rates)


def step_flops(model: DiTConfig) -> float:
    """FLOPs of training on one image: three times a forward pass's matrix products, by
    torch's own count.
    """
    return 6.0 * count_macs(model).forward


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def allocated(device: torch.device, peak: bool = False) -> int:
    """Bytes that tensors hold on a GPU now, or the most they held since
    `forget_peak`; 0 on a CPU.
    """
    if device.type != "cuda":
        return 0
    return (
        torch.cuda.max_memory_allocated(device)
        if peak
        else torch.cuda.memory_allocated(device)
    )


def forget_peak(device: torch.device) -> None:
    """Restart the measurement of the peak of `allocated`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def release(device: torch.device) -> None:
    """Return memory that no tensor holds any longer to the GPU."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
