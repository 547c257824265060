"""Which batch fits into a memory that has just run out?"""

from __future__ import annotations

from ..config import DiTConfig

STATE = 20  # bytes of a parameter: fp32 weight, gradient, two moments of Adam, average
RESERVE = 0.9  # of a memory; the rest goes to the driver, to libraries and to gaps


def batch_that_fits(model: DiTConfig, batch: int, precision: str, memory: float) -> int:
    """The largest of batch/2, batch/4, ... whose training fits into `memory` bytes, 0 when not even one image does.

    An estimate: parameters and kept activations as `dit_lite.flops` counts them, the activations halved in bf16.
    """
    from ..analysis import flops  # where it is needed, since the other rooms of analysis use this one

    total = flops(model)["total"]
    image = total.activation_bytes / (2 if precision == "bf16" else 1)
    free = RESERVE * memory - STATE * total.parameters
    batch //= 2
    while batch and batch * image > free:
        batch //= 2
    return batch
