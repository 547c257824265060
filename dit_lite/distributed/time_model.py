"""How long a step takes on p devices: latency and bandwidth, overlap with computing,
and the laws of Amdahl and Gustafson.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config import ConfigError


@dataclass(frozen=True)
class Link:
    """A link in the alpha-beta model: a message of n bytes takes alpha + n / bandwidth
    seconds (alpha in seconds, bandwidth in bytes per second in one direction).
    """

    alpha: float
    bandwidth: float

    def ring(self, bytes_: float, ranks: int) -> float:
        """Seconds of a ring all-reduce: 2(p-1) hops, each with a p-th of the bytes."""
        return 2 * (ranks - 1) * (self.alpha + bytes_ / ranks / self.bandwidth)

    def half_ring(self, bytes_: float, ranks: int) -> float:
        """Seconds of a reduce-scatter or an all-gather around a ring."""
        return self.ring(bytes_, ranks) / 2

    def message(self, bytes_: float) -> float:
        """Seconds of one message between two devices."""
        return self.alpha + bytes_ / self.bandwidth


def bus_bandwidth(bytes_: float, ranks: int, seconds: float) -> float:
    """What NCCL's tests call the busbw of an all-reduce, in bytes per second: 2(p-1)/p
    n / T.

    It equals a link's speed only for a ring with no latency; where a switch does the
    summation it may exceed the speed of every link.
    """
    return 2 * (ranks - 1) / ranks * bytes_ / seconds


def fit_link(
    bytes_: Sequence[float], ranks: Sequence[int], seconds: Sequence[float]
) -> Link:
    """The link whose ring times are nearest to measured ones in relative error
    (non-negative least squares). Needs at least two sizes.
    """
    n, p, T = (np.asarray(values, float) for values in (bytes_, ranks, seconds))
    if len({*zip(n, p, strict=True)}) < 2 or (p < 2).any() or (T <= 0).any():
        raise ConfigError(
            "a fit needs times above zero for at least two sizes, on two ranks or "
            f"more; got {len(n)} times at bytes={sorted(set(n))}, "
            f"ranks={sorted(set(p))}"
        )
    hops = 2 * (p - 1)
    A = np.stack([hops, hops / p * n], 1) / T[:, None]
    # the columns differ greatly in scale: normalised before solving
    scale = np.linalg.norm(A, axis=0)
    alpha, slope = np.linalg.lstsq(A / scale, np.ones(len(T)), rcond=None)[0] / scale
    if alpha < 0:
        alpha, slope = 0.0, float((A[:, 1] @ np.ones(len(T))) / (A[:, 1] @ A[:, 1]))
    if slope <= 0:
        raise ConfigError("these times do not grow with the bytes; measure larger ones")
    return Link(float(alpha), float(1 / slope))


def step_seconds(
    compute: float, communication: float, overlap: float = 1.0, hideable: float = 2 / 3
) -> float:
    """Seconds of a step whose communication is hidden behind the part `hideable` of its
    computing, to the degree `overlap`: for 0 the sum of both; for 1 only the excess
    adds to the time.

    Gradients can only be hidden behind the backward pass, two thirds of computing
    (2006.15704, sec. 3.2), so max(compute, communication) is a bound, not the time.
    """
    for name, value in dict(overlap=overlap, hideable=hideable).items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name}={value} must lie in [0, 1]")
    return compute + communication - overlap * min(communication, hideable * compute)


def overlap_of(
    step: float, compute: float, communication: float, hideable: float = 2 / 3
) -> float:
    """The overlap that explains a measured step, not clipped: below 0 means that the
    step took longer than the sum.
    """
    return (compute + communication - step) / min(communication, hideable * compute)


def amdahl(p: float, serial: float) -> float:
    """Speed-up of a fixed problem of which the share `serial` cannot be split (Amdahl
    1967): at most 1 / serial.
    """
    return 1 / (serial + (1 - serial) / p)


def gustafson(p: float, serial: float) -> float:
    """Speed-up of a problem that grows with the number of devices, where `serial` is
    the share of time on p devices that is not split (Gustafson 1988).
    """
    return serial + (1 - serial) * p
