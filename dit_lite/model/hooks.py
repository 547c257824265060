"""Hooks that are called inside a block of code, and not after it."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.utils.hooks import RemovableHandle


@contextmanager
def hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Inside, the hooks of these handles are called, and compiled blocks, which would
    not notice them, run as written; afterwards the hooks are removed.
    """
    with ExitStack() as stack:
        for handle in handles:
            stack.enter_context(handle)
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield
