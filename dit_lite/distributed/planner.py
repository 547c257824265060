"""How to split a model over a cluster: every layout of data, tensor and pipeline
parallelism with its memory and time, by term, before anything is rented.

`dit_lite.analysis.training_cost` gives the costs of a single device;
layout_formulas.json says how splitting changes them, and the book's planner reads the
same file. It follows these rules:

- Tensor parallelism divides the maps of attention, MLP and modulations, and what the
  first two keep; tokens, normalisations and embeddings are whole on every device. A
  block all-reduces its tokens twice forward and twice backward (1909.08053, sec. 3).
- Stages divide the layers. Under 1F1B the first holds as many micro-batches as there
  are stages, and idles (s-1)/m of its work (2104.04473, sec. 2.2). Tokens and the
  condition's vector pass each boundary.
- The parameters that a device then has are shared by its data-parallel group, as
  `split` says (1910.02054).
- Ranks of a tensor group sit next to each other, then those of a data group: the
  slowest link inside a group is the one that counts.

The costs are those of the busiest device. The ends of the model count as part of every
stage.
"""

import functools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..analysis.cost_table import option_numbers
from ..analysis.formulas import evaluate
from ..analysis.training_cost import cost_formulas, training_cost
from ..config import ConfigError, DiTConfig, choose

FILE = Path(__file__).with_name("layout_formulas.json")

#: Ranges behind the intervals around a prediction: the share of the peak that products
#: reach, and how much of the communication is hidden, low and high.
SHARES, OVERLAPS = (30, 55), (50, 95)
#: The least number of tokens in a micro-batch, and the share of memory that may be
#: filled.
LEAST_TOKENS, FILL = 4096, 0.9


@dataclass(frozen=True)
class Layout:
    """A layout of devices: `data` replicas of `stages` times `tensor` devices, with
    states sharded as `split` says and a replica's batch in `micro_batches` parts.
    """

    data: int = 1
    tensor: int = 1
    stages: int = 1
    micro_batches: int = 1
    split: str = "ddp"

    @property
    def devices(self) -> int:
        """All devices together."""
        return self.data * self.tensor * self.stages

    def __str__(self) -> str:
        names = dict(data=self.data, tensor=self.tensor, stages=self.stages)
        ways = [f"{name} {n}" for name, n in names.items() if n > 1]
        split = [self.split] if self.data > 1 and self.split != "ddp" else []
        parts = [f"{self.micro_batches} micro-batches"] * (self.micro_batches > 1)
        return ", ".join([*ways, *split, *parts]) or "one device"


@functools.cache
def _text() -> str:
    return FILE.read_text(encoding="utf-8")


def layout_formulas() -> dict:
    """What layout_formulas.json says: {"inputs", "formulas"}, in the units of
    `cost_formulas`.
    """
    return json.loads(_text())


def planner_rules() -> dict:
    """What the planner assumes besides its formulas: {"shares", "overlaps",
    "least_tokens", "fill"}.
    """
    return {
        "shares": list(SHARES),
        "overlaps": list(OVERLAPS),
        "least_tokens": LEAST_TOKENS,
        "fill": FILL,
    }


def layout_cost(
    config: DiTConfig,
    layout: Layout,
    batch: int = 256,
    *,
    precision: str = "bf16",
    checkpointing: str = "none",
    machine: str = "H200",
    frozen_parameters: int = 0,
    frozen_macs: float = 0,
    sampling_steps: int = 50,
    guided: bool = True,
    **changes,
) -> dict[str, float]:
    """Memory (bytes), time (seconds) and traffic (bytes sent per device and step) of
    one step, {formula: number}.

    `frozen_parameters` and `frozen_macs` (per image) describe an autoencoder that runs
    during training; "sampled_seconds" is one image in `sampling_steps`, with twice the
    calls if `guided`, on one device. `link` and `network` are GB/s inside a machine and
    between machines; other `changes` go to `training_cost`. Raises ConfigError for a
    layout that does not divide heads, layers or batch.
    """
    check_layout(config, layout, batch)
    table = cost_formulas()
    choose("machine", machine, table["machines"])
    facts = table["machines"][machine]

    inside = changes.pop("link", facts["link"])
    between = changes.pop("network", facts["network"])

    def link(devices: int) -> float:
        return inside if devices <= facts["joined"] else between

    links = dict(
        link=link(layout.data * layout.tensor),
        tensor_link=link(layout.tensor),
        stage_link=link(layout.devices),
    )
    alone = training_cost(
        config,
        batch,
        precision=precision,
        checkpointing=checkpointing,
        machine=machine,
        devices=layout.data,
        accumulation=layout.micro_batches,
        split=layout.split,
        link=links["link"],
        **changes,
    )
    layout_table = layout_formulas()
    chosen = dict(precision=precision, checkpointing=checkpointing, split=layout.split)
    known = alone | option_numbers(table, chosen)
    known |= option_numbers(layout_table, {"conditioning": config.conditioning}, FILE)
    known |= links | dict(
        width=config.width,
        depth=config.depth,
        batch=batch,
        devices=layout.data,
        accumulation=layout.micro_batches,
        tensor=layout.tensor,
        stages=layout.stages,
        frozen_parameters=frozen_parameters,
        frozen_macs=frozen_macs,
        sampling_steps=sampling_steps,
        guided=int(guided),
        peak=changes.get("peak", facts["peak"][precision]),
        latency=changes.get("latency", facts["latency"]),
        overlap=changes.get("overlap", 80),
    )
    return evaluate(layout_table["formulas"], known)


def check_layout(config: DiTConfig, layout: Layout, batch: int) -> None:
    """Raise ConfigError, naming what does not divide what."""
    divided = {
        "heads": (config.heads, "tensor", layout.tensor),
        "the MLP's hidden width": (config.hidden, "tensor", layout.tensor),
        "depth": (config.depth, "stages", layout.stages),
        "batch": (batch, "data * micro_batches", layout.data * layout.micro_batches),
    }
    for name, (value, way, ways) in divided.items():
        if value % ways:
            fits = [n for n in range(1, min(value, 64) + 1) if value % n == 0]
            raise ConfigError(
                f"{way}={ways} does not divide {name}={value}; choose one of {fits}"
            )


def layouts(config: DiTConfig, batch: int, devices: int) -> Iterator[Layout]:
    """Every layout of `devices` devices that divides heads, layers and batch."""
    for tensor in _divisors(math.gcd(devices, config.heads)):
        for stages in _divisors(math.gcd(devices // tensor, config.depth)):
            data = devices // tensor // stages
            if batch % data:
                continue
            for micro_batches in _divisors(batch // data):
                if micro_batches & (micro_batches - 1):
                    continue  # powers of two are choice enough
                for split in ("ddp", "zero1", "zero3") if data > 1 else ("ddp",):
                    yield Layout(data, tensor, stages, micro_batches, split)


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


@dataclass(frozen=True)
class Plan:
    """A layout with its costs, and the range of step times in seconds, low and high,
    given the known errors of the model.
    """

    layout: Layout
    cost: dict[str, float]
    seconds: tuple[float, float]


def plan(
    config: DiTConfig,
    batch: int,
    devices: int,
    machine: str = "H200",
    least_tokens: int = LEAST_TOKENS,
    **options,
) -> list[Plan]:
    """The layouts that fit into memory, fastest first; empty if none fits.

    Micro-batches of fewer than `least_tokens` tokens are left out where they are a
    choice: products with so few rows do not reach the assumed share of the peak.
    `options` go to `layout_cost`. The batch stays as it is: it is a matter of quality
    (training.critical_batch), not of speed.
    """
    memory = options.get("memory", cost_formulas()["machines"][machine]["memory"])
    found = []
    for layout in layouts(config, batch, devices):
        images = batch // layout.data // layout.micro_batches
        if layout.micro_batches > 1 and images * config.tokens < least_tokens:
            continue
        cost = layout_cost(config, layout, batch, machine=machine, **options)
        if cost["device_memory"] <= FILL * memory * 1e9:
            found.append((cost["layout_seconds"], layout, cost))
    found.sort(key=lambda entry: entry[0])
    return [
        Plan(layout, cost, interval(config, layout, batch, machine=machine, **options))
        for _, layout, cost in found
    ]


def interval(
    config: DiTConfig, layout: Layout, batch: int, **options
) -> tuple[float, float]:
    """Seconds of a step at the best and at the worst of `SHARES` and `OVERLAPS`."""
    ends = [
        layout_cost(
            config, layout, batch, **options | dict(share=share, overlap=overlap)
        )["layout_seconds"]
        for share, overlap in zip(reversed(SHARES), reversed(OVERLAPS), strict=True)
    ]
    return ends[0], ends[1]


def split_table(
    config: DiTConfig, devices: int = 8, batch: int = 256, **options
) -> dict[str, dict[str, float]]:
    """What each way of using `devices` costs per device: weights, gradients, moments,
    EMA and activations in bytes, bytes sent and idle share, {way: {column: number}}.

    The rows are one device, data parallelism, ZeRO-1, 2 and 3, tensor and pipeline
    parallelism; ZeRO-3 sends 3 Psi, half as much again as the others (1910.02054,
    sec. 7).
    """
    whole = Layout(data=devices)
    rows = {
        "one device": Layout(),
        "data": whole,
        "ZeRO-1": replace(whole, split="zero1"),
        "ZeRO-2": replace(whole, split="zero2"),
        "ZeRO-3": replace(whole, split="zero3"),
        "tensor": Layout(tensor=devices),
        "pipeline": Layout(stages=devices, micro_batches=4 * devices),
    }
    table = {}
    for name, layout in rows.items():
        try:
            cost = layout_cost(config, layout, batch, **options)
        except ConfigError:  # a way that does not divide this model
            continue
        table[name] = {
            "weights": cost["device_weights"],
            "gradients": cost["device_gradients"],
            "moments": cost["device_moments"],
            "ema": cost["device_ema"],
            "activations": cost["device_activations"],
            "sent": cost["data_sent"] + cost["tensor_sent"] + cost["stage_sent"],
            "idle": cost["bubble_seconds"]
            / (cost["bubble_seconds"] + cost["busy_seconds"]),
        }
    return table
