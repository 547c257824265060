"""What training costs on a given machine: memory by term, seconds per step, and the
price of a run.

Every formula is in cost_formulas.json, which `dit_lite.flops` and the book's cost
calculator read too. They follow these rules:

- A linear map costs d_in d_out multiply-adds per row, attention 2 N^2 D per block; in
  the times a backward pass counts as two forward passes, and recomputation as less than
  one more (`training_macs` counts the backward pass as torch does).
- For each parameter one device keeps the weight, the gradient, two Adam moments of 4
  bytes (Muon: one, in the matrices of blocks) and an average (EMA) of 4 bytes; 16-bit
  weights also need a master copy of 4 bytes: 16 bytes + EMA either way (Rajbhandari et
  al., ZeRO, 1910.02054, sec. 3.1).
- ZeRO divides these by the number of devices p: stage 1 moments, master and average,
  stage 2 gradients as well, stage 3 weights as well (1910.02054, sec. 5). Stage 3 holds
  two whole blocks: the one being computed, and the next, whose weights are on their
  way.
- Activations are what autograd keeps. Checkpointing keeps the inputs of segments and
  the inside of one: segments of one block, or of ceil(sqrt(L)) blocks (Chen et al.,
  1604.06174); what a block keeps is counted as in Korthikanti et al. (2205.05198, sec.
  4).
- With bf16 autocast the weights stay fp32, and so do the tokens around every
  normalisation; autograd keeps a bf16 copy of the weights.
- A ring sends (p-1)/p of the data for a reduce-scatter or an all-gather, twice that for
  an all-reduce (Patarasuk and Yuan 2009). So DDP and stages 1 and 2 send 2 (p-1)/p of
  the parameters per step, stage 3 half as much again (1910.02054, sec. 7); each of the
  p-1 hops of a collective adds the latency.
- A step lasts as long as its computing plus the communication that is not hidden behind
  it: with DDP behind the backward pass of the last micro-batch (Li et al., 2006.15704,
  sec. 3.2), with stage 3 behind all of it. Weights that stages 1 and 2 gather after the
  update are never hidden.

Left out: the optimiser's own time, data loading, library buffers, and memory
fragmentation.
"""

import math
from collections.abc import Mapping

from ..config import ConfigError, DiTConfig, choose
from .cost_table import cost_formulas, model_inputs, option_numbers
from .formulas import evaluate


def training_cost(
    config: DiTConfig, batch: int = 256, *, precision: str = "fp32",
    kernel: str = "flash", checkpointing: str = "none", optimiser: str = "adamw",
    devices: int = 1, accumulation: int = 1, split: str = "ddp", machine: str = "H200",
    length: int = 400_000, unit: str = "steps", **machine_changes: float,
) -> dict[str, float]:  # fmt: skip
    """All numbers of the cost calculator for a model and a run: {formula: value}, in
    bytes, seconds, multiply-adds and money.

    `batch` is the global batch, processed in `accumulation` parts. precision is "fp32",
    "tf32", "bf16" (autocast, fp32 weights) or "bf16_weights" (with an fp32 master
    copy); kernel "flash" or "naive"; checkpointing "none", "block" or "sqrt"; optimiser
    "adamw" or "muon"; split "ddp", "zero1", "zero2" or "zero3"; `length` counts `unit`
    "steps" or "images". A machine of `cost_formulas()` may be changed by peak, share,
    memory, link, latency, overlap (80 % by default) and price. Activation bytes are
    exact in fp32 on the CPU, and also there with `precision` "bf16" and kernel "naive",
    except for the copies of the weights, of which autograd keeps only the matrices; GPU
    kernels and compilers keep other activations. Raises ConfigError, naming the
    argument. Source: the module's docstring.
    """
    table = cost_formulas()
    if not isinstance(config, DiTConfig):
        raise ConfigError(
            f"config={config!r} must be a DiTConfig; use dit_lite.preset('S/2') "
            "for a named size, model.config for a model"
        )
    if not isinstance(config.attention, str):
        raise ConfigError(
            f"attention={config.attention!r} differs between layers, and these "
            "formulas need one pattern in all layers; dit_lite.flops takes lists"
        )
    choose("machine", machine, table["machines"])
    model, options = model_inputs(config, config.attention)
    chosen = options | dict(
        kernel=kernel,
        optimiser=optimiser,
        precision=precision,
        checkpointing=checkpointing,
        split=split,
        unit=unit,
    )
    for name, value in chosen.items():
        choose(name, value, table["choices"][name])
    numbers = (
        model
        | machine_numbers(table["machines"][machine], precision, devices)
        | dict(batch=batch, devices=devices, accumulation=accumulation, length=length)
    )
    if unknown := sorted(set(machine_changes) - set(MACHINE)):
        raise ConfigError(
            f"{unknown[0]} is not a number of a machine; choose from: "
            f"{', '.join(MACHINE)}"
        )
    return cost_of(table, numbers | machine_changes, chosen)


MACHINE = ("peak", "share", "memory", "link", "latency", "overlap", "price")
OVERLAP = 80  # percent of the communication that can be hidden and is: an assumption


def machine_numbers(machine: Mapping, precision: str, devices: int) -> dict[str, float]:
    """The inputs that a machine of the table sets: its peak at a precision, and the
    slowest link between so many devices.
    """
    link = (
        machine["link"]
        if isinstance(devices, int) and devices <= machine["joined"]
        else machine["network"]
    )
    same = {name: machine[name] for name in ("share", "memory", "latency", "price")}
    return same | dict(peak=machine["peak"][precision], link=link, overlap=OVERLAP)


def cost_of(
    table: Mapping, numbers: Mapping[str, float], chosen: Mapping[str, str]
) -> dict[str, float]:
    """Every formula of the table for checked numbers and chosen options."""
    for name, value in numbers.items():
        limits = table["inputs"][name]
        kind = int if limits.get("whole") else (int, float)
        if (
            isinstance(value, bool)
            or not isinstance(value, kind)
            or not math.isfinite(value)
            or not limits["low"] <= value <= limits["high"]
        ):
            word = "whole number" if limits.get("whole") else "number"
            raise ConfigError(
                f"{name}={value!r} is out of range; expected a {word} from "
                f"{limits['low']:g} to {limits['high']:g}"
            )
    return evaluate(table["formulas"], option_numbers(table, chosen) | dict(numbers))
