"""A trained DiT as plain arrays, for the forward pass that a page runs in the browser
(dit_lite/widgets/dit.mjs).
"""

from __future__ import annotations

import numpy as np

from .dit import DiT

#: What that forward pass can do, and the path and objective its sampler relies on.
SUPPORTED = {
    "condition": "label", "conditioning": "adaln_zero", "attention": "full",
    "mlp": "gelu", "long_skips": False, "position": "sincos", "position_extent": None,
    "qk_norm": False,
    "learn_variance": False, "null_class": True, "path": "linear", "objective": "flow",
}  # fmt: skip
EXPORTED = (
    "image_size",
    "channels",
    "patch_size",
    "width",
    "depth",
    "heads",
    "num_classes",
    "data_mean",
    "data_std",
)
FLOAT16_MAX = float(np.finfo(np.float16).max)


def to_browser(model: DiT) -> tuple[dict, dict[str, np.ndarray]]:
    """The configuration and the float16 weights that the browser's forward pass needs.

    Returns ({field: JSON value}, {name in `state_dict`: float16 array}); class_names
    are filled in by number where the model has none. Raises ValueError, naming the
    field and its value, for a model that this forward pass cannot run, and for weights
    beyond float16.
    """
    config = model.config
    for field, value in SUPPORTED.items():
        if getattr(config, field) != value:
            raise ValueError(
                f"{field}={getattr(config, field)!r}: the forward pass of the "
                f"page knows {field}={value!r} only; show another model"
            )
    names = list(config.class_names) or [str(k) for k in range(config.num_classes)]
    weights = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().float().numpy()
        if not np.abs(value).max() <= FLOAT16_MAX:
            raise ValueError(
                f"{name} has values up to {np.abs(value).max():g}; float16 holds "
                f"finite ones up to {FLOAT16_MAX:g}"
            )
        weights[name] = value.astype(np.float16)
    return {field: getattr(config, field) for field in EXPORTED} | {
        "class_names": names
    }, weights
