"""Long skips: what early blocks know, handed to late ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import DiTConfig


class LongSkips(nn.Module):
    """Before block L-1-i its tokens are joined with those that left block i, for i <
    L/2: concatenated and mapped 2D -> D (2209.12152 sec. 3.1).

    The maps start as "take the tokens as they are", so that a new model computes what
    it would without them.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.pairs = config.depth // 2
        self.join = nn.ModuleList(
            nn.Linear(2 * config.width, config.width) for _ in range(self.pairs)
        )

    def initialise(self) -> None:
        """Every map ignores what is handed over."""
        for layer in self.join:
            nn.init.zeros_(layer.weight)
            nn.init.eye_(layer.weight[:, : layer.out_features])
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, blocks: nn.ModuleList, *condition) -> Tensor:
        """All blocks, one after the other: x (B, N, D) -> (B, N, D)."""
        kept: list[Tensor] = []
        for i, block in enumerate(blocks):
            if i >= len(blocks) - self.pairs:
                x = self.join[len(blocks) - 1 - i](
                    torch.cat([x, kept.pop()], dim=-1)
                ).to(x.dtype)
            x = block(x, *condition)
            if i < self.pairs:
                kept.append(x)
        return x
