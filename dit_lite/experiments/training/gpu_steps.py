"""Step time, share of the peak and memory of the paper's sizes, with every switch that
saves memory. Needs a GPU; nothing is recorded without one.
"""

import contextlib
import time

import torch

from ...analysis import training_cost
from ...benchmarks.timing import matmul_peak, seconds, spread, step_flops
from ...config import DiTConfig, preset
from ...diffusion import diffusion_loss
from ...lab import Parts, experiment
from ...model import DiT
from ...training import EMA
from ...training.memory import checkpoint_blocks, compressed, offloaded
from ...training.optim import OPTIMISERS
from ...training.precision import pick_device

#: How blocks are recomputed, and what happens to saved activations.
SWITCHES = {
    "plain": ("none", None),
    "block": ("block", None),
    "sqrt": ("sqrt", None),
    "offload": ("none", "offload"),
    "int8": ("none", "int8"),
}
LATENT = dict(learn_variance=False, path="linear", objective="flow")


@experiment(
    "How long does a training step of S, B, L and XL take, what share of the peak "
    "does it reach, and how much memory does it need with every switch?",
    seconds=dict(gpu=420.0),
    maps=2,
    smoke=dict(
        sizes={"tiny": dict(preset="S/8", width=48, depth=2, heads=3)},
        batches={"tiny": 2}, switches=["plain", "block", "int8"], rounds=2, steps=1,
        side=64,
    ),
    gpu=dict(
        sizes={f"{size}/2": dict(preset=f"{size}/2") for size in ("S", "B", "L", "XL")},
        batches={"S/2": 128, "B/2": 64, "L/2": 32, "XL/2": 32},
        switches=list(SWITCHES), rounds=5, steps=4, side=8192,
    ),
)  # fmt: skip
def gpu_steps(
    parts: Parts, sizes: dict, batches: dict, switches: list[str], rounds: int,
    steps: int, side: int,
) -> dict:  # fmt: skip
    """One row per size and switch: seconds of a step (median and quartiles), the share
    of the matrix peak measured in the same run, and the peak memory next to the cost
    table's, in bytes. `peak` is the rate of a square matrix product, FLOP/s.
    """
    (peak,) = parts.map(measured_peak, [dict(side=side)])
    cases = [
        dict(size=size, model=model, batch=batches[size], switch=switch)
        for size, model in sizes.items() for switch in switches
    ]  # fmt: skip
    rows = parts.map(one_step, cases, rounds=rounds, steps=steps, peak=peak)
    return {"rows": rows, "peak": peak}


def measured_peak(side: int) -> float:
    """FLOP/s of a matrix product of size `side` in the precision of the steps."""
    device = pick_device("auto")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return matmul_peak(device, dtype, [side])[0]


def one_step(
    size: str, model: dict, batch: int, switch: str, rounds: int, steps: int,
    peak: float,
) -> dict:  # fmt: skip
    """Train on random latents for some steps; out of memory is a valid result."""
    changes = {name: value for name, value in model.items() if name != "preset"}
    config: DiTConfig = preset(model["preset"], **LATENT | changes)
    row = {"size": size, "switch": switch, "batch": batch}
    try:
        return row | {"fits": True} | _timed(config, batch, switch, rounds, steps, peak)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return row | {"fits": False, "planned": float(_planned(config, batch, switch))}


def _timed(
    config: DiTConfig, batch: int, switch: str, rounds: int, steps: int, peak: float
) -> dict:
    device = pick_device("auto")
    cuda = device.type == "cuda"
    recompute, storage = SWITCHES[switch]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = checkpoint_blocks(DiT(config).to(device), recompute)
    average = EMA(model, 0.9999)
    optimiser = OPTIMISERS["adamw"](model, 1e-4, 0.0, 0.999)
    shape = (batch, config.channels, config.image_size, config.image_size)
    x0, eps = torch.randn(shape, device=device), torch.randn(shape, device=device)
    t = torch.rand(batch, device=device)
    y = torch.randint(config.num_classes, (batch,), device=device)
    keep = {
        None: lambda: contextlib.nullcontext(),
        "offload": lambda: offloaded(model),
        "int8": lambda: compressed(model, "int8"),
    }[storage]

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=cuda), keep():
            loss = diffusion_loss(model, x0, y, t, eps).mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        average.update()

    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    step()
    first = time.perf_counter() - began
    found = spread([seconds(step, steps, device) for _ in range(rounds)])
    return {
        "seconds": list(found), "first_seconds": first,
        "share_of_peak": step_flops(config) * batch / found.median / peak,
        "peak_memory": torch.cuda.max_memory_allocated(device) if cuda else None,
        "planned": float(_planned(config, batch, switch)),
    }  # fmt: skip


def _planned(config: DiTConfig, batch: int, switch: str) -> float:
    """Bytes by the cost table; it has no offloaded or packed activations, which count
    as kept.
    """
    recompute, _ = SWITCHES[switch]
    cost = training_cost(config, batch, precision="bf16", checkpointing=recompute)
    return cost["total_memory"]
