"""The coordinate check of muP: how much do activations change in the first steps of
training, and does that depend on the width?
"""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import ConfigError, DiTConfig
from ..model import DiT
from ..model.hooks import hooked
from ..seeding import seeded
from .trends import slope


class Coordinates(NamedTuple):
    """The root mean square change of each layer's output in training, {name:
    (widths,)}, and its slope in log-log over the width, {name: slope}: about 0 where a
    step has the same effect at every width.
    """

    widths: tuple[int, ...]
    change: dict[str, Tensor]
    slopes: dict[str, float]


def coordinate_check(
    config: DiTConfig,
    widths: Sequence[int],
    step: Callable[[DiT], Callable[[Tensor], None]],
    batch: tuple[Tensor, Tensor, Tensor],
    steps: int = 4,
    seeds: Sequence[int] = (0, 1, 2),
) -> Coordinates:
    """Train the model at several `widths` for a few `steps` on one batch (x, t, y), and
    compare its layers before and after (2203.03466 app. D.1).

    `step(model)` returns a function that takes the model's output and makes one
    optimiser step. Layers are the attention and MLP of every block, each block's
    output, and the model's output. Heads widen with the model, unless config.base_heads
    says otherwise. Raises ConfigError for fewer than two widths.
    """
    if len(set(widths)) < 2:
        raise ConfigError(f"widths={list(widths)!r} must name two or more widths")
    change: dict[str, list[Tensor]] = {}
    for width in widths:
        found: dict[str, list[Tensor]] = {}
        for seed in seeds:
            with seeded(seed):
                model = DiT(dataclasses.replace(config, width=width)).train()
            before = copy.deepcopy(model)
            update = step(model)
            for _ in range(steps):
                update(model(*batch))
            first, last = (outputs(one, batch) for one in (before, model))
            for name, value in last.items():
                found.setdefault(name, []).append((value - first[name]).square().mean())
        for name, squares in found.items():
            change.setdefault(name, []).append(torch.stack(squares).mean().sqrt())
    table = {name: torch.stack(values) for name, values in change.items()}
    x = torch.tensor([float(w) for w in widths]).log()
    return Coordinates(
        tuple(widths), table, {name: slope(x, v.log()) for name, v in table.items()}
    )


@torch.no_grad()
def outputs(model: DiT, batch: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
    """The outputs of a model's layers for a batch, by layer name."""
    layers: dict[str, nn.Module] = {"output": model.final}
    for i, block in enumerate(model.blocks):
        layers |= {f"attention {i}": block.attention, f"mlp {i}": block.mlp}
        layers[f"block {i}"] = block
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda module, inputs, output: seen.__setitem__(name, output)

    with hooked(m.register_forward_hook(keep(name)) for name, m in layers.items()):
        model(*batch)
    return seen
