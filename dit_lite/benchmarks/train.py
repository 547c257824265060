"""Training speed on a GPU: images per second, share of the matrix peak, memory, and the
paired ratio to diffusers' DiT.
"""

import argparse
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..config import ConfigError, DiTConfig, choose, preset
from ..files.strict_json import to_json
from ..files.writing import write
from ..lab.provenance import provenance
from ..training.precision import pick_device
from .implementations import diffusers_model, our_step, plain_step, why_alone
from .switches import ablate
from .timing import (
    Step,
    allocated,
    forget_peak,
    host_seconds,
    in_turns,
    matmul_peak,
    release,
    spread,
    step_flops,
)

OURS, THEIRS, COMPILED = "dit_lite", "diffusers", "diffusers, compiled"
Make = Callable[[int], Step]  # a side of the comparison at a batch size


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long: preset -> side of the image, batch of the
    first comparison, largest batch tried.
    """

    cases: dict[str, int]
    batch: int = 256
    largest: int = 2048
    rounds: int = 12
    least: float = 0.5  # seconds per kind in a round
    sides: tuple[int, ...] = (4096, 8192, 16384)  # of the square products
    changes: dict = field(default_factory=dict)  # of the presets


FULL = Plan({"S/2": 32, "B/2": 32, "B/4": 64})
SMOKE = Plan(
    {"digits": 8},
    batch=8,
    largest=16,
    rounds=2,
    least=0.01,
    sides=(256,),
    changes=dict(depth=1),
)


def run(options: argparse.Namespace) -> None:
    """Measure the cases of `options.case` (all without), or with `options.ablate` the
    gain from each optimisation; rows go to `options.out`.
    """
    device, plan = pick_device("auto"), SMOKE if options.smoke else FULL
    if device.type != "cuda" and not options.smoke:
        raise ConfigError(
            "bench train needs a GPU, but there is none; with --smoke a tiny model "
            "runs here to show that all parts work"
        )
    for name in options.case or ():
        choose("case", name, plan.cases)
    began, dtype = (
        time.perf_counter(),
        torch.bfloat16 if device.type == "cuda" else torch.float32,
    )
    peak, side = matmul_peak(device, dtype, plan.sides)
    print(
        f"{where(device)}; square {dtype} products reach {peak / 1e12:.3g} "
        f"TFLOP/s (side {side})",
        flush=True,
    )
    rows: list[dict] = []
    for name in options.case or plan.cases:
        model = preset(
            name,
            image_size=plan.cases[name],
            channels=3,
            num_classes=10,
            **plan.changes,
        )
        print(
            f"\n{name} on {model.image_size}x{model.image_size}x{model.channels}",
            flush=True,
        )
        found = (
            ablate(model, plan.batch, device, plan.rounds // 2, plan.least)
            if options.ablate
            else compare(model, device, plan, peak)
        )
        rows += [{"case": name, "image_size": model.image_size} | row for row in found]
        # after every case, so that a later failure loses nothing
        if options.out:
            about = provenance(time.perf_counter() - began, device.type) | {
                "matmul_peak": peak,
                "matmul_side": side,
            }
            write(
                Path(options.out),
                (
                    to_json({"provenance": about, "rows": rows}, indent=1) + "\n"
                ).encode(),
            )


def compare(
    model: DiTConfig, device: torch.device, plan: Plan, peak: float
) -> list[dict]:
    """Rows of both sides at the plan's batch, then each at the batch where it is
    fastest. Without diffusers there are only our rows.
    """
    makes: dict[str, Make] = {OURS: functools.partial(our_step, model, device=device)}
    if reason := why_alone():
        print(f" {reason}")
    else:
        makes[THEIRS] = functools.partial(theirs, model, device)
    flops = step_flops(model)
    compiled = (
        {COMPILED: functools.partial(theirs, model, device, compiled=True)}
        if THEIRS in makes and device.type == "cuda"
        else {}
    )
    rows = table(
        f"at batch {plan.batch}",
        makes | compiled,
        dict.fromkeys(makes | compiled, plan.batch),
        device,
        plan,
        flops / peak,
    )
    best = {name: best_batch(make, device, plan) for name, make in makes.items()}
    return rows + table(
        "each at its best batch", makes, best, device, plan, flops / peak
    )


def theirs(
    model: DiTConfig, device: torch.device, batch: int, compiled: bool = False
) -> Step:
    """A plain step of diffusers' DiT."""
    return plain_step(diffusers_model(model), model, batch, device, compiled)


def table(
    title: str,
    makes: dict[str, Make],
    batches: dict[str, int],
    device: torch.device,
    plan: Plan,
    ideal: float,
) -> list[dict]:
    """Measure the sides in turns, print and return their rows. `ideal` are the
    seconds of an image at the matrix peak.
    """
    steps, memory = {}, {}
    for name, make in makes.items():
        if built := when_it_fits(
            lambda make=make, name=name: warm(make, batches[name], device), device
        ):
            steps[name], memory[name] = built
        else:
            print(f"  {name}: out of memory at batch {batches[name]}")
    rows = []
    print(f" {title}")
    timings = in_turns(steps, device, plan.rounds, plan.least)
    for name, found in timings.items():
        each = [t / batches[name] for t in found]
        rate = spread([1 / t for t in each])
        row = {
            "at": title,
            "side": name,
            "batch": batches[name],
            "images_per_second": rate._asdict(),
            "peak_share": ideal * rate.median,
        }
        row |= {
            "peak_memory_bytes": memory[name],
            "step_seconds": spread(found).median,
            "host_seconds": host_seconds(steps[name], device),
        }
        text = (
            f"  {name:20} batch {batches[name]:5} {rate.median:9,.0f} images/s "
            f"({rate.low:,.0f} to {rate.high:,.0f})"
        )
        text += (
            f"  {row['peak_share']:5.1%} of the peak  {memory[name] / 2**30:5.1f} GiB"
        )
        text += (
            f"  host {1e3 * row['host_seconds']:.1f} of "
            f"{1e3 * row['step_seconds']:.1f} ms"
        )
        if THEIRS in timings:
            others = [t / batches[THEIRS] for t in timings[THEIRS]]
            ratio = spread(
                [other / one for one, other in zip(each, others, strict=True)]
            )
            row["times_diffusers"] = ratio._asdict()
            text += (
                f"  {ratio.median:.2f} x diffusers ({ratio.low:.2f} to "
                f"{ratio.high:.2f})"
            )
        print(text, flush=True)
        rows.append(row)
    steps.clear()
    release(device)
    return rows


def warm(make: Make, batch: int, device: torch.device) -> tuple[Step, int]:
    """A side after its first steps, compiled and with its optimiser's state, and the
    most bytes that it holds during a step.
    """
    before = allocated(device)
    step = make(batch)
    for _ in range(3):
        step()
    forget_peak(device)
    step()
    return step, allocated(device, peak=True) - before


def best_batch(make: Make, device: torch.device, plan: Plan) -> int:
    """The fastest batch: doubled from the plan's batch until the memory is full or the
    time per image falls by less than a hundredth.
    """
    best, rate, batch = plan.batch, 0.0, plan.batch

    def measure() -> float:
        step, _ = warm(make, batch, device)
        return (
            batch
            / spread(
                in_turns({"it": step}, device, max(2, plan.rounds // 3), plan.least)[
                    "it"
                ]
            ).median
        )

    while batch <= plan.largest:
        found = when_it_fits(measure, device)
        if found is None or found < 1.01 * rate:
            break
        best, rate, batch = batch, found, 2 * batch
    return best


def when_it_fits(work: Callable, device: torch.device):
    """What `work` returns, or None when the GPU's memory runs out."""
    result = None
    try:
        result = work()
    except RuntimeError as error:  # libraries word it differently
        if not isinstance(error, torch.OutOfMemoryError) and not any(
            s in str(error) for s in ("out of memory", "ALLOC_FAILED")
        ):
            raise
    release(device)
    return result


def where(device: torch.device) -> str:
    """The machine in a few words."""
    return (
        f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}, "
        f"torch {torch.__version__}"
    )
