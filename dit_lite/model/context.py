"""What a block gets besides its tokens, as one value."""

from typing import NamedTuple

from torch import Tensor


class Context(NamedTuple):
    """What every block gets besides its tokens.

    `vector` (B, D): time and condition as one; `tokens` (B, M, D): time, then the
    condition; `token_mask` (B, M) bool: False where a token is padding, None if none
    is; `shared`: what is computed once for all blocks. For attention: `rotation`, two
    (N, d_h) tables of rotary positions; `mask`, (N, N) or (B, 1, N, N) bool, True
    where row may look at column; both None if not used. `prefix`: how many tokens
    come before those of the image. `pooled` (B, D): the condition as one vector,
    without time.
    """

    vector: Tensor
    tokens: Tensor
    token_mask: Tensor | None = None
    shared: tuple[Tensor, ...] = ()
    rotation: tuple[Tensor, Tensor] | None = None
    mask: Tensor | None = None
    prefix: int = 0
    pooled: Tensor | None = None
