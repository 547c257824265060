"""The maximal update parametrisation (muP): initial values and step sizes with which a
learning rate found at one width also works at another.

A linear map whose input grows with the width starts with a variance of 1/fan-in, and
Adam changes it by lr/fan-in, so that its effect on a token keeps its size; maps whose
input does not grow, vectors and embeddings keep the standard start and rate. Attention
divides by d_h instead of its root, since trained queries and keys are aligned. At its
base width a model is the standard one. Source: Yang et al. 2203.03466, table 3 and app.
B.1; for DiT 2505.15270.
"""

import dataclasses

import torch
from torch import nn


def fan_in_growth(model: nn.Module) -> dict[str, float]:
    """{name of a linear map's weight: its fan-in over that at the base width}: 1 where
    the input does not grow. Only for a model with `config.base_width`.
    """
    base = base_shapes(model)
    return {
        f"{name}.weight": layer.in_features / base[name].in_features
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
    }


def base_shapes(model: nn.Module) -> dict[str, nn.Module]:
    """The modules of the same model at its base width, without values."""
    config = model.config
    small = dataclasses.replace(
        config, width=config.base_width, heads=config.base_heads or config.heads,
        base_width=None, base_heads=None,
    )  # fmt: skip
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return dict(type(model)(small).named_modules())


@torch.no_grad()
def rescale(model: nn.Module) -> None:
    """Turn a fresh standard initialisation into muP's: every matrix as large as at the
    base width, divided by the root of its fan-in's growth.
    """
    growth, base = fan_in_growth(model), base_shapes(model)
    for name, layer in model.named_modules():
        if not isinstance(layer, nn.Linear):
            continue
        factor = growth[f"{name}.weight"] ** -0.5
        if not name.startswith("condition.time"):  # those start at 0.02 at any width
            # Xavier's variance is 2 / (fan-in + fan-out)
            now = layer.in_features + layer.out_features
            factor *= (now / (base[name].in_features + base[name].out_features)) ** 0.5
        layer.weight.mul_(factor)
