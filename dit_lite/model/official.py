"""Checkpoints in the layout that the DiT paper's authors released, as models of this
package.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..autoencoder import PAPER, PAPER_SCALE
from ..config import DiTConfig
from ..wrappers import clean
from .dit import DiT
from .layout import upgrade
from .patching import conv_to_linear
from .positions import sincos_table

#: What the released models draw (2212.09748 sec. 4).
LATENTS = dict(autoencoder=PAPER, data_std=1 / PAPER_SCALE)
HEADS = {384: 6, 768: 12, 1024: 16, 1152: 16}  # 2212.09748 table 1

_NAMES = {
    "x_embedder.proj.bias": "embed.bias",
    "t_embedder.mlp.0.weight": "condition.time.0.weight",
    "t_embedder.mlp.0.bias": "condition.time.0.bias",
    "t_embedder.mlp.2.weight": "condition.time.2.weight",
    "t_embedder.mlp.2.bias": "condition.time.2.bias",
    "y_embedder.embedding_table.weight": "condition.label.weight",
    "final_layer.linear.weight": "final.linear.weight",
    "final_layer.linear.bias": "final.linear.bias",
    "final_layer.adaLN_modulation.1.weight": "final.modulation.1.weight",
    "final_layer.adaLN_modulation.1.bias": "final.modulation.1.bias",
}
_BLOCK = {
    "attn.qkv": "attention.qkv",
    "attn.proj": "attention.out",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.2",
    "adaLN_modulation.1": "modulation.1",
}
_BLOCK_NUMBER = re.compile(r"blocks\.(\d+)\.")
_PATCH, _POSITION = "x_embedder.proj.weight", "pos_embed"
#: Tensors whose shapes say how large the model is, and their axes.
_NDIM = {
    _POSITION: 3,
    "final_layer.linear.bias": 1,
    "y_embedder.embedding_table.weight": 2,
    "blocks.0.mlp.fc1.weight": 2,
}


def _block_names(depth: int) -> dict[str, str]:
    return {
        f"blocks.{i}.{theirs}.{kind}": f"blocks.{i}.{ours}.{kind}"
        for i in range(depth)
        for theirs, ours in _BLOCK.items()
        for kind in ("weight", "bias")
    }


def load_official(state_dict: Mapping[str, Tensor], heads: int | None = None) -> DiT:
    """A DiT with the weights of a released checkpoint.

    `state_dict` maps the released names (x_embedder.proj.weight,
    blocks.0.attn.qkv.weight, ..., pos_embed) to tensors; the size of the model is read
    from their shapes. `heads` is needed for a width that the paper does not use,
    because no tensor shows it. The model has path "ddpm" and objective "eps"; step i of
    the paper is t = i/1000. With 2C output channels the second half is the learned
    variance, which the "ddpm" sampler uses. With 4 channels it draws latents of the
    paper's autoencoder, in that autoencoder's units. Raises ValueError when names or
    shapes are not those of a DiT, TypeError for anything but a mapping.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"state_dict is a {type(state_dict).__name__}; pass the weights "
            "themselves, for example torch.load(file, weights_only=True)"
        )
    state = {clean(str(name)): value for name, value in state_dict.items()}
    depth = 1 + max(
        (int(match[1]) for match in map(_BLOCK_NUMBER.match, state) if match), default=0
    )
    names = _NAMES | _block_names(depth)
    missing = [name for name in (*names, _PATCH, _POSITION) if name not in state]
    if missing:
        raise ValueError(
            f"state_dict lacks {missing[0]!r}"
            + (f" and {len(missing) - 1} more names" if len(missing) > 1 else "")
            + " of a released DiT checkpoint; "
            "pass its weights themselves (of a training checkpoint, the entry "
            "'ema' or 'model')"
        )
    if unknown := sorted(set(state) - set(names) - {_PATCH, _POSITION}):
        raise ValueError(
            f"state_dict has {unknown[0]!r}, which a released DiT checkpoint "
            "does not have"
        )
    for name, value in state.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f"{name} is {kind}; expected a tensor of floats: pass the weights of "
                "a released DiT checkpoint as they are"
            )
        if not value.isfinite().all():
            raise ValueError(
                f"{name} holds NaN or infinity; the checkpoint is damaged: use another "
                "copy"
            )
    if state[_PATCH].ndim != 4:
        raise ValueError(
            f"{_PATCH} has shape {tuple(state[_PATCH].shape)}; expected the "
            "kernel of a convolution, (D, C, P, P)"
        )
    width, channels, patch, other = state[_PATCH].shape
    if patch != other or not state[_PATCH].numel():
        raise ValueError(
            f"{_PATCH} has shape {tuple(state[_PATCH].shape)}; expected square "
            "patches, (D, C, P, P)"
        )
    for name, ndim in _NDIM.items():
        if state[name].ndim != ndim or not state[name].numel():
            raise ValueError(
                f"{name} has shape {tuple(state[name].shape)}; expected {ndim} axes, "
                "none of them empty"
            )
    if heads is None:
        heads = HEADS.get(width)
    if heads is None:
        raise ValueError(
            f"width={width} is not one of the paper's "
            f"({', '.join(map(str, HEADS))}); pass heads=..."
        )
    tokens = state[_POSITION].shape[-2]
    out_channels = state["final_layer.linear.bias"].shape[0] // patch**2
    if out_channels not in (channels, 2 * channels):
        raise ValueError(
            f"final_layer.linear gives {out_channels} channels for {channels} of "
            "input; a DiT gives as many, or twice as many"
        )
    rows = state["y_embedder.embedding_table.weight"].shape[0]
    config = DiTConfig(
        image_size=round(tokens**0.5) * patch, channels=channels, patch_size=patch,
        width=width, depth=depth, heads=heads,
        mlp_ratio=state["blocks.0.mlp.fc1.weight"].shape[0] / width,
        num_classes=rows - 1, null_class=True,
        learn_variance=out_channels == 2 * channels, path="ddpm", objective="eps",
        position="sincos", **(LATENTS if channels == 4 else {}),
    )  # fmt: skip
    table = state[_POSITION].flatten(0, 1).float().cpu()
    if table.shape != (config.tokens, width):
        raise ValueError(
            f"pos_embed has shape {tuple(state[_POSITION].shape)}; expected (1, "
            f"{config.tokens}, {width}) with a square grid"
        )
    weights = {ours: state[theirs] for theirs, ours in names.items()} | {
        "embed.weight": conv_to_linear(state[_PATCH])
    }
    with torch.random.fork_rng(devices=[]):  # the global generator is left as it was
        model = DiT(config)
    # exact up to rounding in its dtype: bf16 rounds sines to 1/256
    atol = max(1e-3, torch.finfo(state[_POSITION].dtype).eps)
    if not torch.allclose(table, sincos_table(config.grid, width), atol=atol):
        raise ValueError(
            "pos_embed is not the sin-cos table of the released models: the "
            "checkpoint was trained with other positions"
        )
    try:
        weights = upgrade(weights, heads, None)
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        raise ValueError(
            "the tensors do not fit together as one DiT: "
            f"{str(error).strip().splitlines()[-1].strip()}"
        ) from None
    return model.eval()
