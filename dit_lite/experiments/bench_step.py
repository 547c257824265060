"""One training step beside that of an independent implementation, pair by pair in
one process.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..config import preset
from ..model import DiT
from ..training.ema import EMA
from ..training.optim import make_adamw

BATCH, PAIRS = 16, 30


def ours() -> tuple[nn.Module, Callable]:
    """S/4 on 32x32x3 of this package."""
    model = DiT(preset("S/4", image_size=32, channels=3, num_classes=10))
    return model, model


def theirs() -> tuple[nn.Module, Callable]:
    """The same shape from diffusers (a test dependency)."""
    try:
        from diffusers import DiTTransformer2DModel
    except ImportError:
        raise ValueError(
            "bench step compares with diffusers: pip install diffusers"
        ) from None
    model = DiTTransformer2DModel(
        num_attention_heads=6, attention_head_dim=64, in_channels=3, out_channels=3,
        num_layers=12, sample_size=32, patch_size=4,
        num_embeds_ada_norm=10, dropout=0.0,
    ).train()  # fmt: skip
    return model, lambda x, t, y: model(x, timestep=t * 1000, class_labels=y).sample


def trainer(make: Callable, plain: bool) -> Callable[[], None]:
    """A function that does one training step on fixed data: `plain` with torch's
    default AdamW, else what the trainer uses, EMA included.
    """
    torch.manual_seed(0)
    model, call = make()
    optimiser = (
        torch.optim.AdamW(model.parameters(), lr=1e-4)
        if plain
        else make_adamw(model, 1e-4, 0.0, 0.99)
    )
    average = None if plain else EMA(model, 0.999)
    x, eps = torch.randn(BATCH, 3, 32, 32), torch.randn(BATCH, 3, 32, 32)
    t, y = torch.rand(BATCH), torch.randint(10, (BATCH,))

    def step() -> None:
        loss = F.mse_loss(call(x, t, y), eps)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if average:
            average.update()

    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def matmul_peak(size: int = 1536, repeats: int = 12) -> float:
    """The best rate of a square fp32 product on this machine, in FLOP/s."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(timed(lambda: a @ b) for _ in range(repeats))


def step_flops() -> float:
    """FLOPs of a forward and backward pass of the model, by torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        trainer(ours, plain=True)()
    return counter.get_total_flops()


def peak_memory(which: str) -> float:
    """Peak resident memory, in MB, of a fresh process that does three plain steps."""
    code = (
        f"from dit_lite.experiments.bench_step import *; s = trainer({which}, "
        "True); [s() for _ in range(3)]; print(resident())"
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


def bench_step(options: argparse.Namespace) -> None:
    """Print images per second, the paired ratios, the share of the machine's matrix
    peak, and peak memory.
    """
    steps = {
        "dit_lite, plain": trainer(ours, True),
        "dit_lite, trainer": trainer(ours, False),
        "diffusers": trainer(theirs, True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        timed(step), timed(step)
    for _ in range(PAIRS):
        for name, step in steps.items():
            seconds[name].append(timed(step))
    peak, flops = matmul_peak(), step_flops()
    print(
        f"S/4 on 32x32x3, batch {BATCH}, fp32, {torch.get_num_threads()} "
        f"threads, {PAIRS} alternating rounds, medians"
    )
    print(f"matrix product of this machine: {peak / 1e9:.0f} GFLOP/s")
    for name, times in seconds.items():
        median = statistics.median(times)
        ratio = statistics.median(
            b / a for a, b in zip(times, seconds["diffusers"], strict=True)
        )
        print(
            f"{name:18} {BATCH / median:6.1f} images/s   "
            f"{flops / median / peak:5.1%} of the peak   {ratio:5.2f} x diffusers"
        )
    for name, which in (("dit_lite", "ours"), ("diffusers", "theirs")):
        print(f"{name:18} {peak_memory(which):6.0f} MB peak resident memory")
