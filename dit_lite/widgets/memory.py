"""The memory of a training step by term, with every switch that reduces it."""

from collections.abc import Mapping

from .arrays import check_number, check_option
from .cost import FIRST, check_sizes, check_table
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
    check_table(table)
    sizes = check_sizes(sizes)
    check_number("batch", batch)
    run = FIRST | {"precision": "fp32"}
    options = {name: list(found) for name, found in SWITCHES.items()}
    options |= {"machine": list(table["machines"])}
    if unknown := sorted(set(first) - set(options)):
        raise ValueError(
            f"{unknown[0]} is not a switch; choose from: {', '.join(options)}"
        )
    check_option("size", size, sizes)
    check_option("batch", batch, BATCHES)
    for name, value in first.items():
        check_option(name, value, options[name])
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
