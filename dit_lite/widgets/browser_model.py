"""What a page needs from a model that runs in it: sizes and weights, checked before
anything is drawn.
"""

from collections.abc import Mapping

import numpy as np

from .arrays import as_array, check_mapping, check_number, check_whole

SIZES = ("image_size", "channels", "patch_size", "width", "depth", "heads")
SOURCE = "as to_browser(model) returns it"
LIMIT = 4_700_000  # bytes of weights on a page


def check_config(
    config: Mapping, sizes: tuple[str, ...], others: tuple[str, ...]
) -> dict:
    """`sizes` and the two numbers of the data's scale, checked; `others` must be
    present too.
    """
    check_mapping("config", config, f", {SOURCE}")
    for name in (*sizes, *others, "data_mean", "data_std"):
        if name not in config:
            raise ValueError(f"config has no {name}; expected a dict, {SOURCE}")
    known = {name: check_whole(f"config[{name!r}]", config[name], 1) for name in sizes}
    for name, divides in (("patch_size", "image_size"), ("heads", "width")):
        if known[divides] % known[name]:
            raise ValueError(
                f"config[{name!r}]={known[name]} does not divide "
                f"config[{divides!r}]={known[divides]}"
            )
    if known["channels"] not in (1, 3):
        raise ValueError(
            f"config['channels']={known['channels']}; pictures have 1 or 3"
        )
    if known["width"] % 4:
        raise ValueError(
            f"config['width']={known['width']} is not a multiple of 4, which "
            "sines and cosines of two axes need"
        )
    return known | {
        name: check_number(f"config[{name!r}]", config[name])
        for name in ("data_mean", "data_std")
    }


def weight_shapes(
    config: dict, hidden: int, condition: dict, branch: dict
) -> dict[str, tuple[int, ...]]:
    """The shape of every weight: `condition` has the condition's tables, `branch` the
    layers that a block has in addition to the paper's.
    """
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
        parts |= branch
        layers |= {f"blocks.{i}.{name}": shape for name, shape in parts.items()}
    shapes = {f"condition.{name}": shape for name, shape in condition.items()}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def pack_weights(
    weights: Mapping, config: dict, condition: dict, branch: dict
) -> dict[str, np.ndarray]:
    """Each weight as the bytes of its float16 values, uint8 (*shape, 2): at most
    LIMIT bytes in all, in the shapes that `weight_shapes` gives.
    """
    check_mapping("weights", weights, f" of float16 arrays, {SOURCE}")
    arrays = {
        name: as_array(f"weights[{name!r}]", value) for name, value in weights.items()
    }
    first = arrays.get("blocks.0.mlp.0.bias", np.zeros(1))
    hidden = len(first) if first.ndim else 1
    shapes = weight_shapes(config, hidden, condition, branch)
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
            f"weights hold {size / 1e6:.1f} MB; at most {LIMIT / 1e6:g} MB fit "
            "on a page: show a smaller model"
        )
    return {
        name: np.ascontiguousarray(array, "<f2")[..., None].view(np.uint8)
        for name, array in arrays.items()
    }
