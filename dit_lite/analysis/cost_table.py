"""The one table of what a Diffusion Transformer costs, from which Python and the page
compute: cost_formulas.json, made flat.

In the file a cost is listed with what causes it. A component, or an option of a choice
with a component's name, has up to two costs: per "block", and "once" per model. Each
gives its `QUANTITIES` for one image. A new mechanism is one option with its formulas;
the sums over components, blocks and options are made here.
"""

import functools
import json
import math
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from ..config import ConfigError, DiTConfig
from .formulas import FUNCTIONS, evaluate

FILE = Path(__file__).with_name("cost_formulas.json")

#: What a cost may give: parameters, and separately those of modulations, which act once
#: per image and not once per token; the parameters in hidden matrices, which Muon
#: optimises; multiply-adds of a forward pass, and the part due to linear maps of
#: tokens; multiply-adds of a backward pass, by default twice the forward's; bytes kept
#: for it.
QUANTITIES = (
    "parameters", "modulation", "matrices", "macs", "token_macs", "backward", "kept",
)  # fmt: skip
PARTS = ("block", "once")


@functools.cache
def _text() -> str:
    return FILE.read_text(encoding="utf-8")


def cost_formulas() -> dict:
    """The table, flat: {"inputs": {name: range}, "choices": {name: {option: numbers}},
    "components": [names], "formulas": {name: expression}, "machines"}.

    Formulas use inputs, numbers of the chosen options, and earlier formulas. A
    component X has X_parameters, X_macs, X_backward and X_kept, where they are not 0 in
    every model. Units of the inputs: peak TFLOP/s, memory GB (1e9 bytes), link GB/s in
    one direction, latency microseconds per hop, share and overlap percent, price per
    device and hour. Formulas give bytes, seconds, multiply-adds. Machines have the
    numbers of data sheets and an assumed share of the peak.
    """
    return json.loads(_flat())


@functools.cache
def _flat() -> str:
    table = json.loads(_text())
    choices, chosen = flat_choices(table["choices"])
    costs = component_formulas(table["components"], chosen)
    formulas = table["sizes"] | costs | table["formulas"]
    return json.dumps(
        table
        | {
            "choices": choices,
            "components": list(table["components"]),
            "formulas": in_order(formulas),
        }
    )


def flat_choices(choices: Mapping) -> tuple[dict, dict[str, str]]:
    """The numbers that every option sets, and the formulas of options: each is a sum in
    which an option's formula is multiplied by 1 if it is chosen, else by 0.
    """
    flat: dict[str, dict] = {}
    formulas: dict[str, list[str]] = {}
    for choice, options in choices.items():
        found = {name: _entries(choice, option) for name, option in options.items()}
        # a number that an option leaves out is 0
        numbers = {
            key: 0
            for entries in found.values()
            for key, value in entries.items()
            if not isinstance(value, str)
        }
        flat[choice] = {
            name: numbers
            | {key: entries[key] for key in numbers if key in entries}
            | {
                f"{choice}_is_{other}": int(other == name)
                for other in _with_text(found)
            }
            for name, entries in found.items()
        }
        for name, entries in found.items():
            for key, value in entries.items():
                if isinstance(value, str):
                    term = f"{choice}_is_{name} * ({value})"
                    formulas.setdefault(key, []).append(term)
    return flat, {key: " + ".join(terms) for key, terms in formulas.items()}


def _with_text(found: Mapping[str, Mapping]) -> list[str]:
    return [
        name
        for name, entries in found.items()
        if any(isinstance(value, str) for value in entries.values())
    ]


def _entries(choice: str, option: Mapping) -> dict:
    """Numbers and formulas of an option, with its costs named like a component's."""
    plain = {key: value for key, value in option.items() if key not in PARTS}
    return plain | _costs(choice, option)


def _costs(name: str, parts: Mapping) -> dict[str, str]:
    """{NAME_block_macs: formula, ...} of the costs of a component."""
    found = {}
    for part in PARTS:
        cost = dict(parts.get(part, {}))
        if "modulation" in cost:
            own = f"{cost['parameters']} + " if "parameters" in cost else ""
            cost["parameters"] = own + cost["modulation"]
        if "macs" in cost:
            cost.setdefault("backward", f"2 * ({cost['macs']})")
        found |= {f"{name}_{part}_{quantity}": text for quantity, text in cost.items()}
    return found


def component_formulas(components: Mapping, chosen: Mapping[str, str]) -> dict:
    """Costs of every component, of a block and of the model. `chosen` are the options'
    formulas, including those of components.

    A block's bytes are kept once for each block of a checkpointed segment; the inputs
    of the other segments are added (1604.06174 sec. 3).
    """
    own = dict(chosen)
    for name, parts in components.items():
        own |= _costs(name, parts)

    def terms(part: str, quantity: str) -> dict[str, str]:
        names = {c: f"{c}_{part}_{quantity}" for c in components}
        return {c: name for c, name in names.items() if name in own}

    # what exists once per model is written where it is added
    formulas = {name: text for name, text in own.items() if "_once_" not in name}
    for quantity, copies in dict(
        parameters="depth",
        modulation="depth",
        macs="depth",
        backward="depth",
        kept="segment",
    ).items():
        block, once = terms("block", quantity), terms("once", quantity)
        formulas[f"block_{quantity}"] = " + ".join(block.values())
        for name in components:
            parts = [f"{copies} * {block[name]}"] if name in block else []
            parts += [own[once[name]]] if name in once else []
            if parts:
                formulas[f"{name}_{quantity}"] = " + ".join(parts)
        names = [f"{name}_{quantity}" for name in components]
        formulas[quantity] = " + ".join(name for name in names if name in formulas)
    for quantity in ("matrices", "token_macs"):
        formulas[f"block_{quantity}"] = " + ".join(terms("block", quantity).values())
        # the last block may have less than the others
        once = [own[name] for name in terms("once", quantity).values()]
        formulas[f"once_{quantity}"] = " + ".join(once)
    formulas["inputs_kept"] = "(segments - 1) * tokens * width * norm_bytes"
    formulas["activation_bytes"] = f"{formulas.pop('kept')} + inputs_kept"
    formulas["training_macs"] = "macs + backward"
    return formulas


def names_in(text: str) -> list[str]:
    """The names that an expression reads."""
    return re.findall(r"[A-Za-z_]\w*", text)


def in_order(formulas: Mapping[str, str]) -> dict[str, str]:
    """The same formulas, each after those that it uses."""
    graph = {
        name: [word for word in names_in(text) if word in formulas]
        for name, text in formulas.items()
    }
    return {name: formulas[name] for name in TopologicalSorter(graph).static_order()}


#: Fields of a model that the table reads as numbers, and as option names.
NUMBERS = (
    "image_size", "channels", "patch_size", "width", "depth", "heads", "num_classes",
    "mlp_ratio",
)  # fmt: skip
FLAGS = ("null_class", "learn_variance", "qk_norm", "long_skips")
#: Numbers that a model may leave unset; then 0.
OPEN = ("position_extent", "caption_length", "vocab_size", "feature_width")
OPTIONS = ("condition", "position", "mlp", "conditioning")


def model_inputs(
    config: DiTConfig, attention: str = "full"
) -> tuple[dict[str, float], dict[str, str]]:
    """What the table reads from a model: its numbers and its options, with `attention`
    in every layer.
    """
    numbers = {name: getattr(config, name) for name in NUMBERS}
    numbers |= {name: int(getattr(config, name)) for name in FLAGS}
    numbers |= {name: getattr(config, name) or 0 for name in OPEN}
    options = {name: getattr(config, name) for name in OPTIONS}
    numbers["layered"] = int(config.global_share is not None)
    numbers["learned_share"] = int(config.global_share == "learned")
    numbers["scales"] = len(config.token_scales)
    numbers["coarse_tokens"] = config.coarse_tokens
    # words in the windows whose means are the coarse tokens, padding included
    numbers["window_tokens"] = sum(
        s * math.ceil(config.caption_length / s) for s in config.token_scales
    )
    return numbers | {"downsampling": 1}, options | {"attention": attention}


def option_numbers(
    table: Mapping, chosen: Mapping[str, str], file: Path = FILE
) -> dict[str, float]:
    """The numbers that chosen options set. Raises ConfigError for an option that the
    table's `file` does not have.
    """
    numbers = {}
    for name, option in chosen.items():
        if option not in (options := table["choices"][name]):
            raise ConfigError(
                f"{name}={option!r} has no entry in dit_lite/{file.parent.name}/"
                f"{file.name}; choose one of: {', '.join(options)}; or add what it "
                f'costs there, under "choices", "{name}"'
            )
        numbers |= options[option]
    return numbers


def model_values(
    config: DiTConfig,
    kernel: str = "flash",
    checkpointing: str = "none",
    bytes_per_value: int = 4,
    attention: str = "full",
) -> dict[str, float]:
    """Every number that the table gives for a model alone, without a run or a machine:
    {formula: value} for one image, all values of one size in bytes, with `attention` in
    every layer.
    """
    numbers, chosen = model_inputs(config, attention)
    chosen |= {"kernel": kernel, "checkpointing": checkpointing}
    table = _model_table()
    known = option_numbers(table, chosen) | numbers
    sizes = {"value_bytes": bytes_per_value, "norm_bytes": bytes_per_value}
    return evaluate(table["formulas"], known | sizes)


@functools.cache
def _model_table() -> dict:
    """The table with only those formulas that depend on no run and no machine."""
    table = cost_formulas()
    known = set(table["inputs"]) - set(RUN) | {"value_bytes", "norm_bytes"}
    known.update(
        name
        for choice in MODEL_CHOICES
        for option in table["choices"][choice].values()
        for name in option
    )
    formulas = {}
    for name, text in table["formulas"].items():
        words = set(names_in(text)) - set(FUNCTIONS)
        if words <= known:
            formulas[name] = text
            known.add(name)
    return table | {"formulas": formulas}


#: Inputs of a run or a machine, and choices of a model and of its computation.
RUN = (
    "batch", "accumulation", "devices", "peak", "share", "memory", "link", "latency",
    "overlap", "length", "price",
)  # fmt: skip
MODEL_CHOICES = (*OPTIONS, "attention", "kernel", "checkpointing")
