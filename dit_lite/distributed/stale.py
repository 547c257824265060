"""Waiting less: replicas that average only occasionally, and delayed gradients.

Neither makes a message smaller. Local SGD sends the same parameters less often;
asynchronous SGD sends every gradient, computed at weights that have since moved.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from ..config import ConfigError


class LocalSGD:
    """Every `every` calls of `step`, replace the parameters by their mean over all
    ranks (1805.09767, algorithm 1). With every=1 and SGD it is data parallelism.

    `bytes` counts what this rank passed to all-reduces.
    """

    def __init__(self, parameters: Iterable[Tensor], every: int):
        if every < 1:
            raise ConfigError(f"every={every} must be at least 1 step")
        self.parameters = list(parameters)
        self.every, self.steps, self.bytes = every, 0, 0

    @torch.no_grad()
    def step(self) -> bool:
        """Call after every optimiser step; True when ranks were averaged."""
        self.steps += 1
        if self.steps % self.every:
            return False
        for p in self.parameters:
            dist.all_reduce(p)
            p.div_(dist.get_world_size())
            self.bytes += p.nbytes
        return True


class Delayed:
    """Give an optimiser the gradients from `delay` steps ago, as under asynchronous SGD
    with many workers; the first `delay` steps change nothing.
    """

    def __init__(self, parameters: Iterable[Tensor], delay: int):
        if delay < 0:
            raise ConfigError(f"delay={delay} must be at least 0 steps")
        self.parameters = list(parameters)
        self.delay = delay
        self.queue: deque[list[Tensor | None]] = deque()

    def exchange(self) -> bool:
        """Call between backward and the optimiser's step; False while the first
        gradients are still on their way and the parameters have none.
        """
        self.queue.append([p.grad for p in self.parameters])
        ready = len(self.queue) > self.delay
        arrived = self.queue.popleft() if ready else [None] * len(self.parameters)
        for p, gradient in zip(self.parameters, arrived, strict=True):
            p.grad = gradient
        return ready


def stable_rate(delay: int) -> float:
    """Largest rate times curvature at which gradient descent with gradients `delay`
    steps old does not diverge on a quadratic: 2 sin(pi / (2 (2 delay + 1))).

    The roots of z^(delay+1) - z^delay + rate leave the unit circle there; it is 2
    without delay, about pi / (2 delay + 1) for a long one.
    """
    if delay < 0:
        raise ConfigError(f"delay={delay} must be at least 0 steps")
    return 2 * math.sin(math.pi / (2 * (2 * delay + 1)))


def largest_stable(
    diverges: Callable[[float], bool], low: float, high: float, digits: float = 1e-3
) -> float:
    """The rate between `low` (stable) and `high` (diverges) where a run begins to
    diverge, by bisection to a relative precision.
    """
    if diverges(low) or not diverges(high):
        raise ConfigError(
            f"the limit is not between low={low:g} and high={high:g}; low must be "
            "stable and high must diverge"
        )
    while high / low > 1 + digits:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if diverges(middle) else (middle, high)
    return (low * high) ** 0.5


def quadratic_diverges(rate: float, delay: int, steps: int = 4000) -> bool:
    """Whether delayed gradient descent on x^2/2 ends further out than it was
    halfway.
    """
    values = deque([1.0] * (delay + 1))
    x, peak = 1.0, [0.0, 0.0]
    for i in range(steps):
        x -= rate * values.popleft()
        values.append(x)
        half = 2 * i >= steps
        peak[half] = max(peak[half], abs(x))
        if abs(x) > 1e100:
            return True
    return peak[1] > peak[0]
