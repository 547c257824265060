"""The memory of a training step by term, with every switch that reduces it."""

from __future__ import annotations

from collections.abc import Mapping

from .arrays import check_number
from .cost import FIRST, _check_table, _size
from .explorer import explorer

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
#: The switches of the explorer and what each of its options is called.
SWITCHES = {
    "precision": {
        "fp32": "fp32",
        "bf16": "bf16, fp32 weights",
        "bf16_weights": "bf16, fp32 master",
    },
    "kernel": {"flash": "fused", "naive": "written out"},
    "checkpointing": {"none": "kept", "block": "by block", "sqrt": "by √L blocks"},
    "optimiser": {"adamw": "AdamW", "muon": "Muon"},
    "accumulation": {1: "1", 4: "4", 16: "16", 64: "64"},
}


def memory_explorer(
    table: Mapping,
    sizes: Mapping[str, tuple[int, int, int]],
    *,
    size: str = "XL",
    batch: int = 32,
    **first,
):
    """Choose a model of the DiT paper (patch 2, a 32x32x4 latent) and a batch; see
    what one device holds in a training step by term, and what each switch saves.

    table is `dit_lite.analysis.cost_formulas()`, sizes {name: (width, depth, heads)}.
    `size`, `batch` (one of BATCHES) and the switches in `first` (those of SWITCHES, and
    `machine`) are shown first. Raises ValueError or TypeError, naming the argument,
    before anything is drawn.
    """
    _check_table(table)
    if not isinstance(sizes, Mapping) or not sizes:
        raise ValueError(f"sizes={sizes!r}: expected {{name: (width, depth, heads)}}")
    sizes = {name: _size(name, numbers) for name, numbers in sizes.items()}
    check_number("batch", batch)
    run = FIRST | {"precision": "fp32"}
    options = {name: list(found) for name, found in SWITCHES.items()}
    options |= {"machine": list(table["machines"])}
    if unknown := sorted(set(first) - set(options)):
        raise ValueError(
            f"{unknown[0]} is not a switch; choose from: {', '.join(options)}"
        )
    chosen = {"size": (size, list(sizes)), "batch": (batch, list(BATCHES))}
    chosen |= {name: (value, options[name]) for name, value in first.items()}
    for name, (value, known) in chosen.items():
        if isinstance(value, bool) or value not in known:
            raise ValueError(
                f"{name}={value!r} is not known; choose one of "
                f"{', '.join(map(str, known))}"
            )
    if first.get("accumulation", 1) > batch:
        raise ValueError(
            f"accumulation={first['accumulation']} is more than batch={batch}; every "
            "part needs an image"
        )
    return explorer(
        "memory", label="Explorer: the memory of a training step",
        height=("700px", "1075px"),
        table={key: table[key] for key in ("inputs", "choices", "formulas",
        "machines")}, sizes=sizes, batches=list(BATCHES),
        switches={name: [[key, text] for key, text in found.items()]
                  for name, found in SWITCHES.items()},
        size=size, run=run | {"batch": batch} | first,
    )  # fmt: skip
