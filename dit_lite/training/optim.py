"""The optimiser: AdamW with decay on matrices only, fused where torch can, and its state as plain named tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def make_optimiser(model: nn.Module, lr: float, weight_decay: float, beta2: float) -> torch.optim.AdamW:
    """AdamW over the parameters of `model`, two groups: matrices decay, vectors do not (1711.05101)."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), fused=True)


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def optimiser_tensors(optimiser: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimiser's state by parameter name: "exp_avg.NAME", "exp_avg_sq.NAME", "step.NAME"."""
    return {f"{key}.{name}": value for name, p in model.named_parameters() for key, value in optimiser.state[p].items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` gave."""
    for name, p in model.named_parameters():
        state = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        optimiser.state[p] = {key: value.to(p.device).clone() for key, value in state.items()}
