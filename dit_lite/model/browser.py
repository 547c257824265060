"""A trained DiT as plain arrays, for the forward pass that a page runs in the browser
(dit_lite/widgets/dit.mjs).
"""

import numpy as np

from .dit import DiT

#: What that forward pass can do, and the path and objective its sampler relies on.
SUPPORTED = {
    "attention": "full", "mlp": "gelu", "long_skips": False, "position": "sincos",
    "position_extent": None, "qk_norm": False, "base_width": None,
    "learn_variance": False, "null_class": True, "path": "linear", "objective": "flow",
    "caption_parts": (), "token_scales": (), "global_share": None,
}  # fmt: skip
#: The conditioning that it supports for each condition, and the fields that it reads.
CONDITIONING = {"label": "adaln_zero", "caption": "adaln_zero_cross"}
SIZES = ("image_size", "channels", "patch_size", "width", "depth", "heads")
EXPORTED = {
    "label": (*SIZES, "num_classes", "data_mean", "data_std"),
    "caption": (*SIZES, "condition", "caption_length", "data_mean", "data_std"),
}
FLOAT16_MAX = float(np.finfo(np.float16).max)


def to_browser(model: DiT) -> tuple[dict, dict[str, np.ndarray]]:
    """The configuration and the float16 weights that the browser's forward pass needs.

    Returns ({field: JSON value}, {name in `state_dict`: float16 array}). A model of
    labels has `class_names`, numbers if it names none; a model of captions has
    `words`, id -> word. Raises ValueError, naming the field and its value, for a model
    that this forward pass cannot run, and for weights beyond float16.
    """
    config = model.config
    if config.condition not in CONDITIONING:
        raise ValueError(
            f"condition={config.condition!r}: the forward pass of the page supports "
            f"{' and '.join(map(repr, CONDITIONING))}; show another model"
        )
    supported = SUPPORTED | {"conditioning": CONDITIONING[config.condition]}
    for field, value in supported.items():
        if getattr(config, field) != value:
            raise ValueError(
                f"{field}={getattr(config, field)!r}: the forward pass of the "
                f"page supports {field}={value!r} only; show another model"
            )
    weights = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().float().numpy()
        if not np.abs(value).max() <= FLOAT16_MAX:
            raise ValueError(
                f"{name} has values up to {np.abs(value).max():g}; float16 holds "
                f"finite ones up to {FLOAT16_MAX:g}"
            )
        weights[name] = value.astype(np.float16)
    fields = {field: getattr(config, field) for field in EXPORTED[config.condition]}
    return fields | _names(config), weights


def _names(config) -> dict[str, list[str]]:
    """The names of the classes, or the words."""
    if config.condition == "label":
        numbered = [str(k) for k in range(config.num_classes)]
        return {"class_names": list(config.class_names) or numbered}
    if not config.words:
        raise ValueError(
            "words=(): the page needs to know which word has which id; make the model "
            "with DiTConfig(words=...)"
        )
    return {"words": list(config.words)}
