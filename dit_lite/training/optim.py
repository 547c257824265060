"""The optimisers: AdamW, fused where torch can, or Muon on hidden matrices beside
it; and their state as plain named tensors.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .muon import Muon


class Together:
    """Several optimisers of disjoint parameters that step as one; they share one
    `state`.
    """

    def __init__(self, *parts: torch.optim.Optimizer):
        self.parts = parts
        self.param_groups = [group for part in parts for group in part.param_groups]
        self.state = parts[0].state
        for part in parts:
            part.state = self.state

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)


def adamw(
    parameters: Iterable[Tensor], lr: float, weight_decay: float, beta2: float
) -> torch.optim.AdamW:
    """AdamW in two groups: matrices decay, vectors do not (1711.05101)."""
    parameters = list(parameters)
    matrices = [p for p in parameters if p.ndim >= 2]
    vectors = [p for p in parameters if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), fused=True)


def make_adamw(
    model: nn.Module, lr: float, weight_decay: float, beta2: float
) -> torch.optim.AdamW:
    """AdamW over all parameters."""
    return adamw(model.parameters(), lr, weight_decay, beta2)


def make_muon(
    model: nn.Module, lr: float, weight_decay: float, beta2: float
) -> Together:
    """Muon for the matrices of attention, to image tokens or to the condition, and
    of MLP, AdamW for everything else: embeddings, modulations, the output, and all
    vectors.
    """
    inside = (".attention.", ".cross.", ".mlp.")
    hidden = {
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and any(part in name for part in inside)
    }
    rest = adamw(
        (p for p in model.parameters() if p not in hidden), lr, weight_decay, beta2
    )
    return Together(
        rest,
        Muon(
            [p for p in model.parameters() if p in hidden],
            lr,
            weight_decay=weight_decay,
        ),
    )


OPTIMISERS = {"adamw": make_adamw, "muon": make_muon}


def set_rate(optimiser: torch.optim.Optimizer | Together, lr: float) -> None:
    """Set the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def optimiser_tensors(
    optimiser: torch.optim.Optimizer | Together, model: nn.Module
) -> dict[str, Tensor]:
    """The optimiser's state by parameter name: "exp_avg.NAME", "exp_avg_sq.NAME",
    "step.NAME" of AdamW, "momentum.NAME" of Muon.
    """
    return {
        f"{key}.{name}": value
        for name, p in model.named_parameters()
        for key, value in optimiser.state[p].items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer | Together,
    model: nn.Module,
    tensors: dict[str, Tensor],
) -> None:
    """Put back what `optimiser_tensors` gave. Raises KeyError for a part of the
    state that is missing.
    """
    names = {p: name for name, p in model.named_parameters()}
    for group in optimiser.param_groups:
        keys = (
            ("momentum",) if "momentum" in group else ("step", "exp_avg", "exp_avg_sq")
        )
        for p in group["params"]:
            optimiser.state[p] = {
                key: tensors[f"{key}.{names[p]}"].to(p.device).clone() for key in keys
            }
