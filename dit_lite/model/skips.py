"""Long skips: tokens of early blocks, passed on to late ones."""

import torch
from torch import Tensor, nn

from ..config import DiTConfig


class NoSkips(nn.Module):
    """No skips; the base class of LongSkips."""

    def __init__(self, config: DiTConfig):
        super().__init__()

    def initialise(self) -> None:
        """Nothing to initialise."""

    def forward(self, layer: int, x: Tensor, kept: list[Tensor]) -> Tensor:
        """Tokens (B, N, D) as they enter block `layer`; `kept` is passed from each call
        of a forward pass to the next.
        """
        return x


class LongSkips(NoSkips):
    """Before block L-1-i its tokens are joined with those that left block i, for i <
    L/2: concatenated and mapped 2D -> D (2209.12152 sec. 3.1).

    The maps start as "take the tokens as they are", so that a new model computes what
    it would without them.
    """

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.depth, self.pairs = config.depth, config.depth // 2
        self.join = nn.ModuleList(
            nn.Linear(2 * config.width, config.width) for _ in range(self.pairs)
        )

    def initialise(self) -> None:
        """Make every map ignore the skipped tokens."""
        for layer in self.join:
            nn.init.zeros_(layer.weight)
            nn.init.eye_(layer.weight[:, : layer.out_features])
            nn.init.zeros_(layer.bias)

    def forward(self, layer: int, x: Tensor, kept: list[Tensor]) -> Tensor:
        if 0 < layer <= self.pairs:
            kept.append(x)  # as it left the block before
        if layer >= self.depth - self.pairs:
            both = torch.cat([x, kept.pop()], dim=-1)  # (B, N, 2D)
            x = self.join[self.depth - 1 - layer](both).to(x.dtype)  # (B, N, D)
        return x
