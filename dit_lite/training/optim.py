"""The optimisers: AdamW, fused where torch can, or Muon on hidden matrices beside
it; and their state as plain named tensors.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from ..files.writing import CheckpointError
from ..model.mup import fan_in_growth
from ..wrappers import bare, parameters
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
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float,
    beta2: float,
    growth: Mapping[Tensor, float] | None = None,
) -> torch.optim.AdamW:
    """AdamW in groups: matrices decay, vectors do not (1711.05101).

    `growth` says how much the fan-in of a matrix has grown since muP's base width: its
    rate is divided by that (2203.03466 table 3), and its decay, which the rate
    multiplies, is multiplied.
    """
    parameters, growth = list(parameters), growth or {}
    matrices = [p for p in parameters if p.ndim >= 2]
    groups = by_growth(matrices, growth, lambda g: 1 / g, lr, weight_decay)
    vectors = [p for p in parameters if p.ndim < 2]
    groups.append({"params": vectors, "weight_decay": 0.0})
    groups = by_devices(groups)
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), fused=True)


def by_devices(groups: list[dict]) -> list[dict]:
    """The groups, split where their parameters lie on different devices: a fused step
    takes only tensors on one device.
    """
    split: dict[tuple, dict] = {}
    for i, group in enumerate(groups):
        for p in group["params"]:
            key = i, getattr(p, "device_mesh", None)
            split.setdefault(key, group | {"params": []})["params"].append(p)
    return list(split.values())


def by_growth(
    matrices: list[Tensor],
    growth: Mapping[Tensor, float],
    share: Callable[[float], float],
    lr: float,
    weight_decay: float,
) -> list[dict]:
    """Groups of matrices whose fan-in has grown alike, with `share(growth)` of the
    rate, the largest first.
    """
    groups = []
    for g in sorted({growth.get(p, 1.0) for p in matrices}) or [1.0]:
        one = {
            "params": [p for p in matrices if growth.get(p, 1.0) == g],
            "weight_decay": weight_decay / share(g),
        }
        groups.append(one if g == 1 else one | {"share": share(g), "lr": lr * share(g)})
    return groups


def growth_of(model: nn.Module) -> dict[Tensor, float]:
    """{parameter: growth of its fan-in since the base width}, of a model with muP; {}
    for others.
    """
    inside = bare(model)
    config = getattr(inside, "config", None)
    if getattr(config, "base_width", None) is None:
        return {}
    named = dict(parameters(model))
    return {named[name]: growth for name, growth in fan_in_growth(inside).items()}


def make_adamw(
    model: nn.Module, lr: float, weight_decay: float, beta2: float
) -> torch.optim.AdamW:
    """AdamW over all parameters."""
    return adamw(model.parameters(), lr, weight_decay, beta2, growth_of(model))


def make_muon(
    model: nn.Module, lr: float, weight_decay: float, beta2: float
) -> Together:
    """Muon for the matrices of attention, to image tokens or to the condition, and of
    the MLP; AdamW for everything else: embeddings, modulations, the output, and all
    vectors.

    With muP, Muon's rate falls with the root of the fan-in: its update has a root mean
    square that does not depend on the width, so the norm of the matrix that it adds
    grows by that root (2310.17813 sec. 3).
    """
    growth = growth_of(model)
    inside = (".attention.", ".cross.", ".mlp.", ".words_mlp.")
    hidden = {
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and any(part in name for part in inside)
    }
    rest = adamw(
        (p for p in model.parameters() if p not in hidden),
        lr,
        weight_decay,
        beta2,
        growth,
    )
    matrices = [p for p in model.parameters() if p in hidden]
    groups = by_growth(matrices, growth, lambda g: g**-0.5, lr, weight_decay)
    return Together(rest, Muon(groups, lr, weight_decay=weight_decay))


OPTIMISERS = {"adamw": make_adamw, "muon": make_muon}


def set_rate(optimiser: torch.optim.Optimizer | Together, lr: float) -> None:
    """Set the learning rate; a group of muP takes its share of it."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group.get("share", 1.0)


def kept_by(
    optimiser: torch.optim.Optimizer | Together,
) -> dict[Tensor, tuple[str, ...]]:
    """{parameter: names of what the optimiser keeps for it}."""
    return {
        p: MUON if "momentum" in group else ADAMW
        for group in optimiser.param_groups
        for p in group["params"]
    }


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
        """Restore what `state_dict` returned. Raises CheckpointError for a tensor that
        is missing, one too many, or unlike its parameter: a fused step trusts their
        shapes.
        """
        state, restored = dict(state), {}
        for p, keys in kept_by(self.optimiser).items():
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
