"""The cost table's predictions for this machine against measurements: seconds of a
training step, and the bytes that it keeps, for twelve configurations.

A calibration comes first: steps of two models, one of which is nearly all arithmetic
and the other nearly all overhead, give the machine's multiplication speed and a block's
cost beyond that. It uses none of the twelve.
"""

import argparse
import statistics
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ..analysis import saved_bytes, training_cost
from ..analysis.scaling_laws import flops_per_image
from ..config import DiTConfig, preset
from ..model import DiT
from ..training.ema import EMA
from ..training.optim import make_adamw
from ..training.precision import pick_device
from .timing import Step, allocated, forget_peak, release, seconds, synchronise

BATCH = 16
LARGEST_ERROR = 0.15


def shapes() -> dict[str, DiTConfig]:
    """Twelve configurations: sizes, patches, depths, conditionings and MLPs."""
    base = dict(image_size=32, channels=3, num_classes=10)

    def s(width: int, depth: int, patch: int, **changes) -> DiTConfig:
        return preset(
            f"S/{patch}", width=width, depth=depth, heads=width // 32, **base | changes
        )

    return {
        "narrow, 64 tokens": s(96, 4, 4),
        "narrow, 256 tokens": s(96, 4, 2),
        "narrow, 16 tokens": s(96, 4, 8),
        "deep": s(96, 12, 4),
        "wide": s(384, 2, 4),
        "wide, 16 tokens": s(384, 4, 8),
        "middle": s(192, 6, 4),
        "middle, 256 tokens": s(192, 4, 2),
        "cross-attention": s(192, 4, 4, conditioning="cross_attention"),
        "shared modulation": s(192, 6, 4, conditioning="adaln_shared"),
        "SwiGLU": s(192, 4, 4, mlp="swiglu"),
        "rotary, normalised": s(192, 4, 4, position="rope", qk_norm=True),
    }


def calibration_shapes() -> list[DiTConfig]:
    """Five models, small and large, with widths and depths not among the twelve."""
    base = dict(image_size=32, channels=3, num_classes=10)
    return [
        preset(f"S/{patch}", width=width, depth=depth, heads=width // 32, **base)
        for width, depth, patch in (
            (32, 2, 8), (128, 6, 4), (128, 3, 2), (256, 3, 4), (320, 5, 8),
        )
    ]  # fmt: skip


class Machine(NamedTuple):
    """Seconds that a step takes here: per FLOP, per kept byte, per parameter (the
    optimiser and the average), and per block (starting its kernels).
    """

    flop: float
    byte: float
    parameter: float
    block: float

    def step(self, config: DiTConfig, batch: int) -> float:
        """Predicted seconds of a training step."""
        return sum(c * f for c, f in zip(self, features(config, batch), strict=True))


def features(config: DiTConfig, batch: int) -> tuple[float, float, float, float]:
    """The terms of a step's time."""
    found = training_cost(config, batch)
    return (
        batch * flops_per_image(config),
        found["activations_memory"],
        found["parameters"],
        config.depth + 2.0,
    )


def training_step(config: DiTConfig, batch: int, device: torch.device) -> Step:
    """A function that makes one training step on fixed data, EMA included."""
    torch.manual_seed(0)
    model = DiT(config).train().to(device)
    optimiser, average = make_adamw(model, 1e-4, 0.0, 0.99), EMA(model, 0.999)
    size = config.image_size
    x = torch.randn(batch, config.channels, size, size, device=device)
    t = torch.rand(batch, device=device)
    y = torch.zeros(batch, dtype=torch.int64, device=device)

    def step() -> None:
        F.mse_loss(model(x, t, y), x).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        average.update()

    step.model, step.inputs = model, (x, t, y)
    return step


def measured(
    config: DiTConfig, batch: int, device: torch.device, repeats: int
) -> tuple[float, float]:
    """Median seconds of a step, and bytes: the peak on a GPU; on a CPU, which does not
    track it, the bytes that autograd keeps plus the tensors of the training state.
    """
    release(device)
    before = allocated(device)
    forget_peak(device)
    step = training_step(config, batch, device)
    for _ in range(2):
        step()
    synchronise(device)
    times = [seconds(step, 1, device) for _ in range(repeats)]
    if device.type == "cuda":
        kept = allocated(device, peak=True) - before
    else:
        state = 4 * sum(p.numel() for p in step.model.parameters())
        # weights, two moments, average; no gradients yet
        kept = 4 * state + saved_bytes(lambda: step.model(*step.inputs), step.model)
    return statistics.median(times), float(kept)


def calibrate(batch: int, device: torch.device, repeats: int) -> Machine:
    """Fit the machine to the calibration models: non-negative least squares of
    relative errors.
    """
    rows, times = [], []
    for config in calibration_shapes():
        for size in (batch // 2, batch):
            times.append(measured(config, size, device, repeats)[0])
            rows.append(features(config, size))
    design = torch.tensor(rows, dtype=torch.float64)
    relative = design / torch.tensor(times, dtype=torch.float64)[:, None]
    return Machine(*non_negative(relative).tolist())


def non_negative(design: torch.Tensor) -> torch.Tensor:
    """x >= 0 (q,) with design (m, q) @ x nearest to 1: the best of all subsets of
    columns whose least-squares solution is positive.
    """
    ones = torch.ones(len(design), 1, dtype=design.dtype)
    best, least = None, float("inf")
    for chosen in range(1, 2 ** design.shape[1]):
        columns = [i for i in range(design.shape[1]) if chosen >> i & 1]
        part = design[:, columns]
        scale = part.norm(dim=0)
        found = torch.linalg.lstsq(part / scale, ones).solution[:, 0] / scale
        error = (part @ found - 1).square().sum().item()
        if (found >= 0).all() and error < least:
            best = design.new_zeros(design.shape[1])
            best[columns], least = found, error
    return best


def predicted_bytes(config: DiTConfig, batch: int) -> float:
    """Weights, moments, average and activations: the state when the forward pass ends,
    before there are gradients.
    """
    found = training_cost(config, batch)
    return found["total_memory"] - found["gradients_memory"]


def compare(
    batch: int, device: torch.device, repeats: int, shapes_: dict
) -> list[dict]:
    """One row per configuration: predicted and measured seconds and bytes."""
    machine, rows = calibrate(batch, device, repeats), []
    for name, config in shapes_.items():
        taken, kept = measured(config, batch, device, repeats)
        rows.append(
            {
                "name": name,
                "seconds": taken,
                "predicted_seconds": machine.step(config, batch),
                "bytes": kept,
                "predicted_bytes": predicted_bytes(config, batch),
            }
        )
    return rows


def errors(rows: list[dict], name: str) -> list[float]:
    """Relative errors of a prediction."""
    return [abs(row[f"predicted_{name}"] / row[name] - 1) for row in rows]


def run(options: argparse.Namespace) -> None:
    """Print prediction and measurement for every configuration, and median errors."""
    device = pick_device("auto")
    rows = compare(BATCH, device, 7, shapes())
    print(f"a training step of {BATCH} images on {device}, fp32, medians of 7")
    for row in rows:
        print(
            f"{row['name']:20} {1e3 * row['seconds']:8.1f} ms, predicted "
            f"{1e3 * row['predicted_seconds']:8.1f}   {row['bytes'] / 1e6:8.1f} MB, "
            f"predicted {row['predicted_bytes'] / 1e6:8.1f}"
        )
    for name in ("seconds", "bytes"):
        middle = statistics.median(errors(rows, name))
        verdict = "within" if middle <= LARGEST_ERROR else "MORE THAN"
        print(f"median error of {name}: {middle:.1%}, {verdict} {LARGEST_ERROR:.0%}")
