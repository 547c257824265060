"""One training step on the CPU compared with an independent implementation, alternating
in one process.
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from ..config import preset
from ..model import DiT
from .implementations import diffusers_model, our_step, plain_step, why_alone
from .timing import Step, in_turns, matmul_peak, spread, step_flops

BATCH, ROUNDS, CPU = 16, 30, torch.device("cpu")
MODEL = preset("S/4", image_size=32, channels=3, num_classes=10)
SIDES: dict[str, Callable[[int], Step]] = {
    "dit_lite, plain": lambda batch: plain_step(DiT(MODEL), MODEL, batch, CPU),
    "dit_lite, trainer": lambda batch: our_step(MODEL, batch, CPU),
    "diffusers": lambda batch: plain_step(diffusers_model(MODEL), MODEL, batch, CPU),
}


def peak_memory(side: str) -> float:
    """Peak resident memory, in MB, of a fresh process that makes three steps."""
    code = (
        f"from dit_lite.benchmarks.step import *; step = SIDES[{side!r}](BATCH); "
        "[step() for _ in range(3)]; print(resident())"
    )
    return float(
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
    )


def resident() -> float:
    """Peak resident memory of this process in MB. On Linux from /proc, since
    getrusage there counts the parent's peak as well.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(
            int(line.split()[1]) / 1024
            for line in status.read_text().splitlines()
            if line.startswith("VmHWM")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1024**2
    )


def run(options: argparse.Namespace) -> None:
    """Print images per second, the paired ratios, the share of the machine's matrix
    peak, and peak memory.
    """
    if reason := why_alone():
        raise ValueError(f"bench step compares: {reason}")
    steps = {side: make(BATCH) for side, make in SIDES.items()}
    for step in steps.values():
        step()
    seconds = in_turns(steps, CPU, ROUNDS, least=0.0)
    peak, side = matmul_peak(CPU, torch.float32, [1536])
    ideal = step_flops(MODEL) / peak  # seconds per image
    print(
        f"S/4 on 32x32x3, batch {BATCH}, fp32, {torch.get_num_threads()} "
        f"threads, {ROUNDS} alternating rounds, medians"
    )
    print(f"matrix product of this machine: {peak / 1e9:.0f} GFLOP/s (side {side})")
    for name, times in seconds.items():
        rate = BATCH / spread(times).median
        ratio = spread(
            [b / a for a, b in zip(times, seconds["diffusers"], strict=True)]
        )
        print(
            f"{name:18} {rate:6.1f} images/s   {ideal * rate:5.1%} of the peak   "
            f"{ratio.median:5.2f} x diffusers"
        )
    for name in ("dit_lite, plain", "diffusers"):
        print(f"{name:18} {peak_memory(name):6.0f} MB peak resident memory")
