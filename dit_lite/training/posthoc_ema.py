"""Averages of any length, made after training from two that were followed during it
(Karras et al. 2312.02696).
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

#: The two lengths that are followed: they span the useful range (2312.02696 sec. 3).
FOLLOWED = (0.05, 0.10)


def exponent(length: float) -> float:
    """The gamma of the profile k^gamma whose standard deviation is `length`, as a share
    of the run so far.

    Raises ValueError outside (0, 0.289): a profile of equal weights is the longest, and
    deviates by 1/sqrt(12). Source: 2312.02696 eq. 126.
    """
    if not 0 < length < 12**-0.5:
        raise ValueError(
            f"length={length} must lie between 0 and {12**-0.5:.3f}, the "
            "standard deviation of equal weights; 0.05 to 0.15 is usual"
        )
    return max(np.roots([1, 7, 16 - length**-2, 12 - length**-2]).real).item()


def profile(length: float, step: int, steps: int) -> Tensor:
    """How much the weights after each of the steps 1..`steps` count in the average of
    that length as it was after `step`: (steps,), float64, sum 1.

    The average follows w <- b w + (1-b) now with b = (1 - 1/k)^(gamma+1) at step k
    (2312.02696 eq. 127), so that step k counts (k/step)^(gamma+1) -
    ((k-1)/step)^(gamma+1): the integral of the power function over that step, without
    an approximation.
    """
    done = (torch.arange(steps + 1, dtype=torch.float64) / step).clamp(max=1)
    return (done ** (exponent(length) + 1)).diff()


class PowerEMA:
    """Averages of the given lengths of a model's weights, each following a power
    function of the steps; `snapshot` keeps what they are now.
    """

    def __init__(self, model: nn.Module, lengths: Sequence[float] = FOLLOWED):
        self.lengths, self.step = tuple(lengths), 0
        self.powers = [exponent(length) + 1 for length in self.lengths]
        self.current = list(model.parameters())
        self.averages = [
            [p.detach().clone() for p in self.current] for _ in self.lengths
        ]
        # length, step, weights
        self.snapshots: list[tuple[float, int, list[Tensor]]] = []

    @torch.no_grad()
    def update(self) -> None:
        """Move every average towards the current weights."""
        self.step += 1
        for power, average in zip(self.powers, self.averages, strict=True):
            torch._foreach_lerp_(
                average, self.current, 1 - (1 - 1 / self.step) ** power
            )

    def snapshot(self) -> None:
        """Keep the averages as they are now: a copy of the weights for each length."""
        for length, average in zip(self.lengths, self.averages, strict=True):
            self.snapshots.append((length, self.step, [p.clone() for p in average]))


def coefficients(
    snapshots: Sequence[tuple[float, int]], length: float, step: int
) -> Tensor:
    """The weighted sum of snapshots (length, step) whose profile comes closest to that
    of another length at another step: (S,), sum 1.

    Least squares over the steps of the run, with the sum held at 1. Source: 2312.02696
    sec. 3.3 and algorithm 3, there with integrals.
    """
    steps = max(step, *(at for _, at in snapshots))
    # (steps, S)
    have = torch.stack([profile(one, at, steps) for one, at in snapshots], 1)
    want = profile(length, step, steps)
    # with the last coefficient 1 minus the others, no constraint is left
    free = torch.linalg.lstsq(
        have[:, :-1] - have[:, -1:], (want - have[:, -1])[:, None], driver="gelsd"
    ).solution[:, 0]
    return torch.cat([free, 1 - free.sum(0, keepdim=True)])


@torch.no_grad()
def synthesise(
    model: nn.Module, ema: PowerEMA, length: float, step: int | None = None
) -> nn.Module:
    """A copy of `model` with the average of `length` after `step` (the last if None),
    made from the snapshots of `ema`.

    Raises ValueError for fewer than two snapshots, and for a length that no average
    has.
    """
    if len(ema.snapshots) < 2:
        raise ValueError(
            f"{len(ema.snapshots)} snapshots are too few to make an average "
            "from; call snapshot() at several steps of the run"
        )
    parts = coefficients(
        [(one, at) for one, at, _ in ema.snapshots],
        length,
        ema.step if step is None else step,
    ).tolist()
    made = copy.deepcopy(model).requires_grad_(False).eval()
    for i, p in enumerate(made.parameters()):
        p.copy_(
            sum(
                c * weights[i].double()
                for c, (_, _, weights) in zip(parts, ema.snapshots, strict=True)
            )
        )
    return made
