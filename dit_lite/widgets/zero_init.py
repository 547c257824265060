"""The zero-init laboratory: one branch of a fresh block behind its gate, and the
first gradients of training, for each way to begin.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import (
    as_array,
    check_mapping,
    check_number,
    check_option,
    check_text,
    check_whole,
)
from .explorer import explorer


def zero_init_explorer(
    tokens, branches: Mapping, starts: Mapping[str, tuple[float, float, float]],
    sensitivities: Mapping[str, float], gradients: Mapping,
    groups: Sequence[str], *, reading: str | None = None, gate: float | None = None,
    step: int = 1,
):  # fmt: skip
    """Open the gate of x + gate F(gamma LN(x) + beta), and step through the first
    gradients of training, for each initial (gamma, beta, gate).

    tokens (N, D) are x. The other arguments have an entry for each reading, with a name
    such as "gamma 0, beta 1": branches is what F returns, (N, D); starts its (gamma,
    beta, gate); sensitivities ||dF/dx|| / sqrt(N D); gradients the norms (steps,
    groups) recorded in training, exactly 0 where no gradient arrives and NaN for groups
    that the model lacks. groups are the names of the columns. `initial_branches` of
    dit_lite.analysis returns the first four. `reading`, `gate` and `step` say what is
    shown first: the first reading with its own gate, and step 1. Raises ValueError or
    TypeError, naming the argument, before anything is drawn.
    """
    tokens = _floats("tokens", tokens)
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise ValueError(f"tokens has shape {tokens.shape}; expected (N, D)")
    if not tokens.any():
        raise ValueError(
            "tokens are all zero, so a change has no size relative to them"
        )
    if not isinstance(branches, Mapping) or not 1 <= len(branches) <= 4:
        raise ValueError(
            "branches has no reading, or more than four; expected {reading: "
            "array (N, D)}"
        )
    readings = [
        check_text("the name of a reading", name, inline=False) for name in branches
    ]
    branches = {
        name: _floats(f"branches[{name!r}]", array) for name, array in branches.items()
    }
    for name, array in branches.items():
        if array.shape != tokens.shape:
            raise ValueError(
                f"branches[{name!r}] has shape {array.shape}; expected "
                f"{tokens.shape}, as tokens"
            )
    starts = [
        _start(name, values)
        for name, values in _every("starts", starts, readings).items()
    ]
    stretches = _every("sensitivities", sensitivities, readings).items()
    sensitivities = [
        check_number(f"sensitivities[{name!r}]", value, 0) for name, value in stretches
    ]
    groups = [
        check_text(f"groups[{i}]", group, inline=False)
        for i, group in enumerate(groups)
    ]
    if not groups or len(set(groups)) < len(groups):
        raise ValueError(
            f"groups = {groups}; expected at least one name and no name twice"
        )
    gradients = _gradients(_every("gradients", gradients, readings), groups)
    step = check_whole("step", step, 0, gradients.shape[1] - 1)
    index = 0 if reading is None else check_option("reading", reading, readings)
    stacked = np.stack(list(branches.values()))
    seen = np.abs(np.concatenate([tokens[None], stacked, tokens + stacked]))
    return explorer(
        "zero_init", label="Explorer: how a block begins, the gate of its branch, and "
            "the first gradients of training", height=_height(len(groups)),
        tokens=tokens, branches=stacked, readings=readings, starts=starts,
        sensitivities=sensitivities, gradients=gradients, groups=groups,
        range=float(f"{np.quantile(seen, 0.995) or seen.max():.1g}"), index=index,
        step=step,
        gate=starts[index][2] if gate is None else check_number("gate", gate, 0, 1),
    )  # fmt: skip


def _floats(name: str, value) -> np.ndarray:
    array = as_array(name, value)
    if array.dtype.kind != "f":
        raise TypeError(
            f"{name} has dtype {array.dtype}; expected floating-point values"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array.astype(np.float32)


def _every(name: str, values, readings: list[str]) -> dict:
    """`values` for exactly the readings of branches, in their order."""
    check_mapping(name, values, " with an entry for each reading")
    if set(values) != set(readings):
        raise ValueError(
            f"{name} has the readings {', '.join(map(str, values)) or 'none'}; "
            f"expected those of branches: {', '.join(readings)}"
        )
    return {name: values[name] for name in readings}


def _start(name: str, values) -> list[float]:
    if not isinstance(values, Sequence) or len(values) != 3:
        raise ValueError(
            f"starts[{name!r}] = {values!r}; expected three numbers: gamma, beta "
            "and gate"
        )
    gamma, beta = (check_number(f"starts[{name!r}][{i}]", values[i]) for i in (0, 1))
    return [
        gamma,
        beta,
        check_number(f"starts[{name!r}][2], the gate,", values[2], 0, 1),
    ]


def _gradients(gradients: Mapping, groups: list[str]) -> np.ndarray:
    """float32 (readings, steps, groups)."""
    arrays = {
        name: as_array(f"gradients[{name!r}]", values)
        for name, values in gradients.items()
    }
    first = next(iter(arrays.values()))
    for name, array in arrays.items():
        if array.ndim != 2 or array.shape[1] != len(groups) or len(array) < 2:
            raise ValueError(
                f"gradients[{name!r}] has shape {array.shape}; expected (steps, "
                f"{len(groups)}): two steps or more, and the groups"
            )
        if array.shape != first.shape:
            raise ValueError(
                f"gradients[{name!r}] has {len(array)} steps; expected {len(first)}, "
                "as for the other readings"
            )
        if array.dtype.kind not in "fiu" or np.isinf(array).any() or (array < 0).any():
            raise ValueError(
                f"gradients[{name!r}] is not a table of norms; expected numbers of at "
                "least 0, or NaN for groups that the model lacks"
            )
    return np.stack(list(arrays.values())).astype(np.float32)


def _height(groups: int) -> tuple[str, str]:
    """Room for the pictures and the table, on pages 700 and 350 pixels wide."""
    return f"{532 + 30 * groups}px + 16.7cqi", f"{824 + 30 * groups}px + 60cqi"
