"""The cost calculator: what a Diffusion Transformer and its training cost, in
multiply-adds, memory, time and money.
"""

import numbers
import re
from collections.abc import Mapping

from .arrays import check_number, check_option
from .explorer import explorer

PATCHES = (1, 2, 4, 8, 16)
FUNCTIONS = ("ceil", "floor", "min", "max")
#: What the calculator shows; a table must have a formula for each.
RESULTS = (
    "parameters", "macs", "tokens", "attention_projections_macs", "mlp_macs",
    "attention_scores_macs", "conditioning_macs", "ends_macs",
    "token_macs", "pair_macs", "weights_memory", "gradients_memory", "moments_memory",
    "master_memory", "ema_memory", "copies_memory",
    "activations_memory", "total_memory", "forward_seconds", "backward_seconds",
    "recompute_seconds", "compute_seconds", "communication_seconds",
    "exposed_seconds", "hidden_seconds", "step_seconds", "utilisation", "sent_bytes",
    "micro_batch", "steps", "images_seen", "run_seconds",
    "device_hours", "cost",
)  # fmt: skip
#: What is shown first by default: DiT-XL/2 of the paper (2212.09748), 400,000 steps.
FIRST = dict(
    space="latent", image_size=256, patch_size=2, width=1152, depth=28, heads=16,
    conditioning="adaln_zero", position="sincos", attention="full", mlp="gelu",
    num_classes=1000, mlp_ratio=4, null_class=1, learn_variance=1, qk_norm=0,
    long_skips=0, position_extent=0, condition="label", caption_length=0,
    vocab_size=0, feature_width=0, layered=0, learned_share=0, scales=0,
    coarse_tokens=0, window_tokens=0,
    batch=256, accumulation=1, optimiser="adamw", precision="bf16", kernel="flash",
    checkpointing="none", machine="H200", devices=1, split="ddp", overlap=80,
    length=400_000, unit="steps",
)  # fmt: skip
# set by the machine unless they are given
MACHINE = ("peak", "share", "memory", "link", "latency", "price")


def cost_calculator(table: Mapping, sizes: Mapping[str, tuple[int, int, int]], **first):
    """Choose a model, a batch and a machine; see parameters, multiply-adds, memory by
    term, the seconds of a step and the price of a run.

    table is `dit_lite.analysis.cost_formulas()`: ranges of inputs, options, formulas
    and machines. sizes {name: (width, depth, heads)} are the presets. `first` changes
    what is shown first: any name of FIRST, and peak, share, memory, link, latency or
    price in place of the machine's own. A page keeps the state in its address after
    "#cost:", and opening that address restores it. Raises ValueError or TypeError,
    naming the argument, before anything is drawn.
    """
    check_table(table)
    sizes, run = check_sizes(sizes), check_run(FIRST, MACHINE, first, table)
    return explorer(
        "cost", label="Explorer: what a model and its training cost", height=("1370px",
        "2140px"),
        table={key: table[key] for key in ("inputs", "choices", "formulas",
        "machines")}, sizes=sizes, patches=list(PATCHES), run=run,
    )  # fmt: skip


def check_sizes(sizes: Mapping) -> dict[str, list[int]]:
    """The presets, each (width, depth, heads)."""
    if not isinstance(sizes, Mapping) or not sizes:
        raise ValueError(f"sizes={sizes!r}: expected {{name: (width, depth, heads)}}")
    return {name: _size(name, size) for name, size in sizes.items()}


def check_run(
    base: Mapping, machine: tuple[str, ...], first: Mapping, table: Mapping
) -> dict:
    """The inputs that are shown first, `base` with the changes `first`, which may also
    set numbers of the `machine`.
    """
    names = (*base, *machine)
    if unknown := [name for name in first if name not in names]:
        raise ValueError(
            f"{unknown[0]} is not an input of this explorer; choose from: "
            f"{', '.join(names)}"
        )
    run = {name: _value(name, value, table) for name, value in (base | first).items()}
    downsampling = table["choices"]["space"][run["space"]]["downsampling"]
    fits = [p for p in PATCHES if run["image_size"] % (downsampling * p) == 0]
    if run["patch_size"] not in fits:
        raise ValueError(
            f"patch_size={run['patch_size']} does not cut "
            f"image_size={run['image_size']} in space={run['space']!r}; choose "
            f"one of {', '.join(map(str, fits)) or 'another image_size'}"
        )
    if run["width"] % run["heads"]:
        raise ValueError(f"heads={run['heads']} does not divide width={run['width']}")
    return run


def check_table(table) -> None:
    """Check that everything that a formula reads or the calculator shows is there."""
    for key in ("inputs", "choices", "formulas", "machines"):
        if (
            not isinstance(table, Mapping)
            or not isinstance(table.get(key), Mapping)
            or not table[key]
        ):
            raise ValueError(
                f"table has no {key}; expected what "
                "dit_lite.analysis.cost_formulas() returns"
            )
    known = set(table["inputs"]) | set(FUNCTIONS)
    known |= {
        name
        for options in table["choices"].values()
        for option in options.values()
        for name in option
    }
    for name, formula in table["formulas"].items():
        if not isinstance(formula, str):
            raise TypeError(
                f"the formula {name} has type {type(formula).__name__}; expected text"
            )
        if strange := re.sub(r"[\w\s.,()*/+-]", "", formula):
            raise ValueError(
                f"the formula {name} has {strange[0]!r}; expected arithmetic"
            )
        if missing := [
            word for word in re.findall(r"[A-Za-z_]\w*", formula) if word not in known
        ]:
            raise ValueError(
                f"the formula {name} reads {missing[0]}, which no earlier formula "
                "defines"
            )
        known.add(name)
    if missing := [name for name in RESULTS if name not in table["formulas"]]:
        raise ValueError(
            f"table has no formula {missing[0]}, which the calculator shows"
        )


def _size(name, size) -> list[int]:
    whole = (
        [isinstance(n, (int,)) and not isinstance(n, bool) and n > 0 for n in size]
        if isinstance(size, (tuple, list))
        else []
    )
    if (
        not isinstance(name, str)
        or len(whole) != 3
        or not all(whole)
        or size[0] % size[2]
    ):
        raise ValueError(
            f"sizes[{name!r}]={size!r}: expected (width, depth, heads), three "
            "whole numbers, the last of which divides the first"
        )
    return list(size)


def _value(name: str, value, table: Mapping):
    """An option, the name of a machine, or a number in its range."""
    options = table["machines"] if name == "machine" else table["choices"].get(name)
    if options is not None:
        check_option(name, value, options)
        return value
    limits = table["inputs"][name]
    value = value.item() if hasattr(value, "item") else value
    check_number(name, value, limits["low"], limits["high"])
    if limits.get("whole") and not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name}={value!r} has type {type(value).__name__}; expected a whole number"
        )
    return value
