"""Random initial weights that leave the global generator as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the global generator starts from `seed`; afterwards it is as before. Only
    the CPU's: torch.manual_seed would seed GPUs too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
