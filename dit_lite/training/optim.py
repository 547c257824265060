"""The optimisers: AdamW, fused where torch can, or Muon on hidden matrices beside
it; and their state as plain named tensors.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..files import CheckpointError
from ..wrappers import parameters
from .muon import Muon

#: What the optimisers keep for every parameter.
ADAMW, MUON = ("step", "exp_avg", "exp_avg_sq"), ("momentum",)


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


class OptimiserState:
    """The state of an optimiser as tensors by parameter name: "exp_avg.NAME",
    "exp_avg_sq.NAME", "step.NAME" of AdamW, "momentum.NAME" of Muon.
    """

    def __init__(self, optimiser: torch.optim.Optimizer | Together, model: nn.Module):
        self.optimiser, self.names = optimiser, {p: n for n, p in parameters(model)}

    def state_dict(self) -> dict[str, Tensor]:
        return {
            f"{key}.{name}": value
            for p, name in self.names.items()
            for key, value in self.optimiser.state.get(p, {}).items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what `state_dict` gave. Raises CheckpointError for a tensor that is
        missing, too many, or not like its parameter: a fused step trusts their shapes.
        """
        state, restored = dict(state), {}
        for group in self.optimiser.param_groups:
            keys = MUON if "momentum" in group else ADAMW
            for p in group["params"]:
                name = self.names[p]
                # without gradients no state is made
                if p.requires_grad or f"{keys[0]}.{name}" in state:
                    restored[p] = {
                        key: _like(p, f"{key}.{name}", state.pop(f"{key}.{name}", None))
                        for key in keys
                    }
        if state:
            raise CheckpointError(
                f"the optimiser has no place for {min(state)!r}; resume with the "
                "optimiser that the run began with"
            )
        for p, values in restored.items():
            self.optimiser.state[p] = values


def _like(p: nn.Parameter, name: str, value: Tensor | None) -> Tensor:
    """A copy of `value` beside its parameter, if it is what the optimiser expects."""
    scalar = name.startswith("step.")
    shape, dtype = ((), torch.float32) if scalar else (tuple(p.shape), p.dtype)
    if value is None:
        problem = "is missing"
    elif tuple(value.shape) != shape or value.dtype != dtype:
        problem = f"is {tuple(value.shape)} {value.dtype}, not {shape} {dtype}"
    elif not value.isfinite().all():
        problem = "is not finite"
    else:
        return value.to(p.device, copy=True)
    raise CheckpointError(
        f"the state of the optimiser does not fit this run: {name!r} {problem}; use "
        "another copy, or begin another run from the weights with --init-from"
    )
