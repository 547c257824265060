"""A trained DiT as plain arrays, for a forward pass written elsewhere: the page's in
dit_lite/widgets/dit.mjs.
"""

from __future__ import annotations

import numpy as np

from .dit import DiT

#: What that forward pass can do, and the two things the walk beside it relies on.
ONLY = {
    "condition": "label", "conditioning": "adaln_zero", "attention": "full",
    "mlp": "gelu", "long_skips": False, "position": "sincos", "position_extent": None,
    "qk_norm": False,
    "learn_variance": False, "null_class": True, "path": "linear", "objective": "flow",
}  # fmt: skip
KEPT = (
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
LARGEST = float(np.finfo(np.float16).max)


def portable(model: DiT) -> tuple[dict, dict[str, np.ndarray]]:
    """The configuration and the float16 weights that the page's forward pass needs.

    Returns ({field: JSON value}, {name in `state_dict`: float16 array}); class_names
    are filled in by number where the model has none. Raises ValueError, naming the
    field and its value, for a model that this forward pass cannot run, and for weights
    beyond float16.
    """
    config = model.config
    for field, value in ONLY.items():
        if getattr(config, field) != value:
            raise ValueError(
                f"{field}={getattr(config, field)!r}: the forward pass of the "
                f"page knows {field}={value!r} only; show another model"
            )
    names = list(config.class_names) or [str(k) for k in range(config.num_classes)]
    weights = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().float().numpy()
        if not np.abs(value).max() <= LARGEST:
            raise ValueError(
                f"{name} has values up to {np.abs(value).max():g}; float16 holds "
                f"finite ones up to {LARGEST:g}"
            )
        weights[name] = value.astype(np.float16)
    return {field: getattr(config, field) for field in KEPT} | {
        "class_names": names
    }, weights
