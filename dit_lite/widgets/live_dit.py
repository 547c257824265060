"""A Diffusion Transformer that runs in the page itself: the reader makes pictures,
changes course midway, and sees its attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .arrays import as_array, check_number, check_text
from .explorer import explorer

LIMIT = 1_000_000  # bytes of weights on a page
SIZES = (
    "image_size",
    "channels",
    "patch_size",
    "width",
    "depth",
    "heads",
    "num_classes",
)


def live_dit_explorer(
    config: Mapping, weights: Mapping, *, y: int = 0, guidance: float = 2.0,
    steps: int = 25, seed: int = 0, layer: int = 0, head: int = 0,
    patch: int | None = None,
):  # fmt: skip
    """Denoise in the browser with a DiT of adaLN-Zero blocks, flow objective and linear
    path, by guided Euler steps.

    `to_browser(model)` of dit_lite.model gives both arguments: config has the sizes of
    the model, its class_names, data_mean and data_std; weights {name in PyTorch:
    float16 array}, at most 1 MB. What is seen first: class `y` (num_classes: no class),
    `guidance` from 0 to 4, `steps` from 4 to 50, `seed` of the page's own noise from 0
    to 99, and the attention of one `layer`, `head` and `patch`, by default one in the
    middle. Raises ValueError or TypeError, naming the argument, before anything is
    drawn.
    """
    config = _config(config)
    none, tokens = (
        config["num_classes"],
        (config["image_size"] // config["patch_size"]) ** 2,
    )
    grid = config["image_size"] // config["patch_size"]
    return explorer(
        "live_dit", label="Explorer: a Diffusion Transformer that runs in this page",
        height=_height(none + 1),
        config=config, weights=_weights(config, weights), step=steps, y=_whole("y", y,
        0, none), guidance=check_number("guidance", guidance, 0, 4),
        steps=_whole("steps", steps, 4, 50), seed=_whole("seed", seed, 0, 99),
        layer=_whole("layer", layer, 0, config["depth"] - 1),
        head=_whole("head", head, 0, config["heads"] - 1),
        patch=grid // 2 * (grid + 1) if patch is None else _whole("patch", patch, 0,
        tokens - 1),
    )  # fmt: skip


def _whole(name: str, value, low: int, high: float) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or not low <= value <= high
    ):
        raise ValueError(
            f"{name}={value!r} is out of range; expected a whole number "
            + (f"from {low} to {high}" if high < np.inf else f"of at least {low}")
        )
    return int(value)


def _config(config: Mapping) -> dict:
    if not isinstance(config, Mapping):
        raise TypeError(
            f"config has type {type(config).__name__}; expected a dict, as "
            "to_browser(model) returns it"
        )
    for name in (*SIZES, "class_names", "data_mean", "data_std"):
        if name not in config:
            raise ValueError(
                f"config has no {name}; expected a dict, as to_browser(model) returns "
                "it"
            )
    sizes = {
        name: _whole(f"config[{name!r}]", config[name], 1, np.inf) for name in SIZES
    }
    for name, divides in (("patch_size", "image_size"), ("heads", "width")):
        if sizes[divides] % sizes[name]:
            raise ValueError(
                f"config[{name!r}]={sizes[name]} does not divide "
                f"config[{divides!r}]={sizes[divides]}"
            )
    if sizes["channels"] not in (1, 3):
        raise ValueError(
            f"config['channels']={sizes['channels']}; pictures have 1 or 3"
        )
    if sizes["width"] % 4:
        raise ValueError(
            f"config['width']={sizes['width']} is not a multiple of 4, which "
            "sines and cosines of two axes need"
        )
    names = [
        check_text(f"config['class_names'][{i}]", name, inline=False)
        for i, name in enumerate(config["class_names"])
    ]
    if len(names) != sizes["num_classes"]:
        raise ValueError(
            f"config['class_names'] has {len(names)} names; expected "
            f"{sizes['num_classes']}, one a class"
        )
    scale = {
        name: check_number(f"config[{name!r}]", config[name])
        for name in ("data_mean", "data_std")
    }
    return sizes | scale | {"class_names": names}


def _shapes(config: dict, hidden: int) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of such a model."""
    D, token = config["width"], config["patch_size"] ** 2 * config["channels"]
    layers = {
        "embed": (D, token),
        "condition.time.0": (D, 256),
        "condition.time.2": (D, D),
        "final.modulation.1": (2 * D, D),
        "final.linear": (token, D),
    }
    for i in range(config["depth"]):
        parts = {
            "attention.qkv": (3 * D, D),
            "attention.out": (D, D),
            "mlp.0": (hidden, D),
            "mlp.2": (D, hidden),
            "modulation.1": (6 * D, D),
        }
        layers |= {f"blocks.{i}.{name}": shape for name, shape in parts.items()}
    shapes = {"condition.label.weight": (config["num_classes"] + 1, D)}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _weights(config: dict, weights: Mapping) -> dict[str, np.ndarray]:
    """Each weight as the bytes of its float16 values, uint8 (*shape, 2)."""
    if not isinstance(weights, Mapping):
        raise TypeError(
            f"weights has type {type(weights).__name__}; expected a dict of "
            "float16 arrays, as to_browser(model) returns it"
        )
    arrays = {
        name: as_array(f"weights[{name!r}]", value) for name, value in weights.items()
    }
    first = arrays.get("blocks.0.mlp.0.bias", np.zeros(1))
    shapes = _shapes(config, len(first) if first.ndim else 1)
    for name in sorted(shapes.keys() ^ arrays.keys()):
        raise ValueError(
            f"weights {'lacks' if name in shapes else 'has'} {name!r}, which a "
            f"model of this config {'has' if name in shapes else 'lacks'}"
        )
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(
                f"weights[{name!r}] has shape {array.shape}; expected {shapes[name]}"
            )
        if array.dtype != np.float16:
            raise TypeError(
                f"weights[{name!r}] has dtype {array.dtype}; expected float16, "
                "as to_browser(model) rounds it"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"weights[{name!r}] has values that are not finite")
    if (size := sum(array.nbytes for array in arrays.values())) > LIMIT:
        raise ValueError(
            f"weights hold {size / 1e6:.1f} MB; at most {LIMIT / 1e6:.0f} MB fit "
            "on a page: show a smaller model"
        )
    return {
        name: np.ascontiguousarray(array, "<f2")[..., None].view(np.uint8)
        for name, array in arrays.items()
    }


def _height(classes: int) -> tuple[str, str]:
    """Room for the controls, the pictures and the overview, on a page of 7 and of
    3.5 hundred pixels.
    """
    return "514px + 31cqi", "925px + 97cqi"
