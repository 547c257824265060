"""Which parts of a model receive a gradient, and how large it is."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

import numpy as np
import torch
from torch import Tensor, nn

#: Groups of parameters in the order in which a signal passes through them, and their
#: parameters' names.
GROUPS = {
    "time and label": "condition.*",
    "patch embedding": "embed.*",
    "attention": "blocks.*.attention.*",
    "MLP": "blocks.*.mlp.*",
    "scale and shift": "blocks.*.modulation.*",
    "gates": "blocks.*.modulation.*",
    "final modulation": "final.modulation.*",
    "output": "final.linear.*",
}


def group_norms(model: nn.Module) -> dict[str, float]:
    """Norm of the gradient of each group that a DiT with adaln or adaln_zero has;
    without a backward pass before, all are zero.

    Raises ValueError for a parameter that belongs to no group, as with other
    conditionings.
    """
    squares: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        gradient = (
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        )
        for group, part in _parts(name, gradient, model).items():
            squares[group] = squares.get(group, 0.0) + part.square().sum().item()
    return {group: squares[group] ** 0.5 for group in GROUPS if group in squares}


def _parts(name: str, gradient: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """The groups that a parameter belongs to: the vectors of a block's modulation are
    either gates, or scales and shifts.
    """
    group = next(
        (group for group, pattern in GROUPS.items() if fnmatch(name, pattern)), None
    )
    if group is None:
        raise ValueError(
            f"{name} belongs to no group; group_norms takes models with "
            "conditioning='adaln' or 'adaln_zero'"
        )
    if group != "scale and shift":
        return {group: gradient}
    names = model.blocks[0].named._fields
    vectors = gradient.unflatten(0, (len(names), -1))
    gates = [i for i, name in enumerate(names) if name.startswith("gate")]
    rest = [i for i in range(len(names)) if i not in gates]
    return {group: vectors[rest]} | ({"gates": vectors[gates]} if gates else {})


def gradient_table(runs: Sequence[Sequence[Mapping[str, float]]]) -> np.ndarray:
    """Mean over runs of recorded `group_norms`: runs[run][step] -> (steps, groups), NaN
    where a model has no such group.

    A mean is exactly zero only if every run's is. Raises ValueError when there is no
    run, or the runs differ in their number of steps.
    """
    if len({len(run) for run in runs}) != 1:
        raise ValueError(
            f"runs of {sorted({len(run) for run in runs})} steps; expected at "
            "least one run, and the same number of steps in all"
        )
    return np.array(
        [
            [[step.get(group, np.nan) for group in GROUPS] for step in run]
            for run in runs
        ]
    ).mean(0)
