"""A trained model on another grid: the positions are interpolated, and patches of
another size are read through a resampling matrix.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention_patterns import Patterns
from .dit import DiT
from .positions import POSITIONS


def resize(model: DiT, image_size: int, patch_size: int | None = None) -> DiT:
    """The same model for images of another size, cut into patches of another size.

    The grid becomes image_size / patch_size; where it differs the positions are
    interpolated (2010.11929 sec. 3.2). For another patch the two layers that touch
    pixels are resampled: the embedding so that a patch enlarged bilinearly gives the
    same token (FlexiViT, 2212.08013 eq. 4), the output so that the same token gives the
    enlarged patch. Returns a new DiT that shares all other parameters, or `model`
    itself when nothing changes. Raises ConfigError when the patch does not divide the
    image.
    """
    config = model.config
    patch_size = config.patch_size if patch_size is None else patch_size
    if (image_size, patch_size) == (config.image_size, config.patch_size):
        return model
    extent = config.position_extent or config.grid
    other = dataclasses.replace(
        config, image_size=image_size, patch_size=patch_size, position_extent=extent
    )
    if other.grid == extent:
        other = dataclasses.replace(other, position_extent=None)
    with torch.device("meta"):
        resized = DiT(other)
    with torch.random.fork_rng(devices=[]):  # the global generator is left as it was
        for name, module in (
            ("position", POSITIONS[other.position](other)),
            ("patterns", Patterns(model.patterns.names, other)),
        ):
            setattr(resized, name, module.to(next(model.parameters()).device))
    weights = model.state_dict()
    if patch_size != config.patch_size:
        weights |= patch_weights(weights, config.patch_size, patch_size)
    resized.load_state_dict(weights, assign=True)
    return resized.train(model.training)


def patch_weights(weights: dict[str, Tensor], old: int, new: int) -> dict[str, Tensor]:
    """The embedding's weight (D, P*P*C) and the output's weight (P*P*C, D) and bias,
    for patches of side `new` instead of `old`.
    """
    enlarge = resample(old, new)  # (new*new, old*old)
    reduce = torch.linalg.pinv(enlarge)  # (old*old, new*new)

    def each_channel(rows: Tensor, matrix: Tensor) -> Tensor:
        """`matrix` (a, b) on rows (b*C, ...), in which the channel runs fastest."""
        return torch.einsum(
            "ab,bc...->ac...", matrix.to(rows), rows.unflatten(0, (matrix.shape[1], -1))
        ).flatten(0, 1)

    changed = {
        "embed.weight": each_channel(weights["embed.weight"].T, reduce.T).T.contiguous()
    }
    for name in ("final.linear.weight", "final.linear.bias"):
        changed[name] = each_channel(weights[name], enlarge)
    return {name: nn.Parameter(value) for name, value in changed.items()}


def resample(old: int, new: int) -> Tensor:
    """The matrix (new*new, old*old) that resizes a picture of side `old` to side
    `new` bilinearly, pixels row by row.
    """
    basis = torch.eye(old * old).view(old * old, 1, old, old)
    return (
        F.interpolate(basis, size=(new, new), mode="bilinear", antialias=new < old)
        .flatten(1)
        .T
    )
