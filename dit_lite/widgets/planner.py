"""The cluster planner: how to split a training run over many devices, with memory and
time by term, before anything is rented.
"""

from collections.abc import Mapping

from .arrays import check_number
from .cost import FIRST as ONE_DEVICE
from .cost import PATCHES, check_run, check_sizes, check_table
from .explorer import explorer

#: What is shown first by default: DiT-XL/2 of the paper on 64 devices.
FIRST = ONE_DEVICE | dict(
    devices=64, frozen_parameters=0, frozen_macs=0, sampling_steps=50, guided=1
)
# set by the machine unless they are given
MACHINE = ("peak", "share", "memory", "link", "network", "latency")
RULES = ("shares", "overlaps", "least_tokens", "fill")


def cluster_planner(
    table: Mapping, layouts: Mapping, rules: Mapping,
    sizes: Mapping[str, tuple[int, int, int]], **first,
):  # fmt: skip
    """Choose a model, a batch and a cluster; see the layouts that fit, fastest first,
    each with an interval of step times, memory and time by term.

    table is `dit_lite.analysis.cost_formulas()`, layouts
    `dit_lite.distributed.planner.layout_formulas()`, rules
    `dit_lite.distributed.planner.planner_rules()`. `first` changes what is shown first:
    any name of FIRST, and peak, share, memory, link, network or latency in place of the
    machine's own. A page keeps the state in its address after "#plan:". Raises
    ValueError or TypeError, naming the argument, before anything is drawn.
    """
    check_table(table)
    for key in ("inputs", "choices", "formulas"):
        if not isinstance(layouts, Mapping) or not layouts.get(key):
            raise ValueError(
                f"layouts has no {key}; expected what "
                "dit_lite.distributed.planner.layout_formulas() returns"
            )
    if missing := [name for name in RULES if name not in rules]:
        raise ValueError(
            f"rules has no {missing[0]}; expected what "
            "dit_lite.distributed.planner.planner_rules() returns"
        )
    every = dict(table) | {"inputs": table["inputs"] | layouts["inputs"]}
    sizes, run = check_sizes(sizes), check_run(FIRST, MACHINE, first, every)
    known = layouts["choices"]["conditioning"]
    if run["conditioning"] not in known:
        raise ValueError(
            f"conditioning={run['conditioning']!r} cannot be split; choose one of "
            f"{', '.join(known)}"
        )
    for name in ("least_tokens", "fill"):
        check_number(f"rules[{name!r}]", rules[name], 0)
    return explorer(
        "planner", label="Explorer: which way to split a training over a cluster",
        height=("1540px", "2350px"),
        table={key: every[key] for key in ("inputs", "choices", "formulas",
        "machines")}, layouts={key: layouts[key] for key in ("choices", "formulas")},
        rules={key: rules[key] for key in RULES}, sizes=sizes, patches=list(PATCHES),
        run=run, chosen="",
    )  # fmt: skip
