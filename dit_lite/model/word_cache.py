"""Keys and values of the words, computed once for all steps of a walk."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..wrappers import bare
from .attention import CrossAttention

#: Conditionings whose cross-attention looks at words alone: in the others the time is
#: one of the tokens, or the words change from block to block.
STEADY = ("adaln_zero_cross",)


def stamp(tensor: Tensor) -> tuple[int, int]:
    """Equal for the same tensor if it has not been changed in place; valid as long as a
    reference to it exists.
    """
    return id(tensor), 0 if tensor.is_inference() else tensor._version


class WordCache:
    """The keys and values of the words, kept for as long as the words are the same.

    Inside `using(y)` every layer of cross-attention reuses the keys and values of the
    previous call, if that had this very tensor y, unchanged: the outputs are the same
    to the last bit. Nothing is kept for models where time is among the tokens, nor
    while gradients are recorded. After changing weights between two calls, call
    `forget`.
    """

    def __init__(self, model: nn.Module):
        inside = bare(model)
        steady = inside.config.conditioning in STEADY
        self.layers = [
            part
            for part in inside.modules()
            if steady and isinstance(part, CrossAttention)
        ]
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.of: tuple[Tensor, tuple[int, int]] | None = None
        self.kept: list[list] = []

    @contextmanager
    def using(self, y: Tensor) -> Iterator[None]:
        """Inside, the model is called with y."""
        if not self.layers or torch.is_grad_enabled():
            yield
            return
        if self.of is None or self.of[1] != stamp(y):
            self.of, self.kept = (y, stamp(y)), [[] for _ in self.layers]
        for layer, kept in zip(self.layers, self.kept, strict=True):
            layer.kept = kept
        try:
            yield
        finally:
            for layer in self.layers:
                layer.kept = None
