"""Which patches of an image may look at which: masks, separate from the weights of the
layers that use them.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig
from .context import Context
from .positions import coordinates


def full(grid: int, window: int) -> None:
    """Every patch sees every patch: no mask."""


def local(grid: int, window: int) -> Tensor:
    """A patch sees the square of window x window patches around it, cut at the border:
    (N, N) bool. Source: 1802.05751 sec. 3.3, there in blocks.
    """
    place = coordinates(grid)  # (N, 2)
    distance = (place[:, None] - place).abs().amax(-1)  # (N, N), Chebyshev
    return distance <= window // 2


#: (grid, window) -> mask (N, N) bool, True where the row may look at the column, or
#: None for all of them.
PATTERNS = {"full": full, "local": local}


class Patterns(nn.Module):
    """The mask of every layer. A pattern is built once, however many layers use it,
    with the longest prefix in front; prefix tokens see all and are seen by all.
    """

    def __init__(self, names: list[str], config: DiTConfig):
        super().__init__()
        self.names, self.prefix, self.tokens = names, config.prefix, config.tokens
        for name in set(names):
            mask = PATTERNS[name](config.grid, config.attention_window)
            if mask is not None:
                mask = F.pad(mask, (self.prefix, 0, self.prefix, 0), value=True)
            self.register_buffer(name, mask, persistent=False)

    def forward(self, context: Context) -> list[Tensor | None]:
        """One mask per layer, (prefix + N, prefix + N), or (B, 1, 1 or prefix + N,
        prefix + N) where a prefix has padding; None where all is seen.
        """
        masks = {name: self.mask(name, context) for name in self.names}
        return [masks[name] for name in self.names]

    def mask(self, name: str, context: Context) -> Tensor | None:
        """The mask of one pattern in this context."""
        mask, shorter = getattr(self, name), self.prefix - context.prefix
        if mask is not None:
            mask = mask[shorter:, shorter:]
        if not context.prefix or context.token_mask is None:
            return mask
        seen = F.pad(context.token_mask, (0, self.tokens), value=True)[:, None, None]
        return seen if mask is None else mask & seen
