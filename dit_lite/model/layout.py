"""How the fused projections of attention lie in memory: head by head, so that a head is
a block of rows and can be placed on a device of its own.
"""

import re
from collections.abc import Mapping

from einops import rearrange
from torch import Tensor

#: The layout of weights in files. Files without a number hold all queries, then all
#: keys, then all values, as the released DiT does.
LAYOUT = "2"
_FUSED = re.compile(r"\.(attention\.qkv|cross\.key_value)\.(?:weight|bias)$")
_PARTS = {"attention.qkv": 3, "cross.key_value": 2}


def by_head(rows: Tensor, parts: int, heads: int) -> Tensor:
    """Rows (parts h d_h, ...) in the order (h, parts, d_h): queries, keys and values of
    head 0 first.
    """
    return rearrange(rows, "(parts h d) ... -> (h parts d) ...", parts=parts, h=heads)


def upgrade(
    tensors: Mapping[str, Tensor], heads: int, layout: str | None
) -> dict[str, Tensor]:
    """The tensors of a file, weights or the state of an optimiser by parameter name, in
    today's layout. Raises ValueError for a layout of a later version.
    """
    if layout not in (None, LAYOUT):
        raise ValueError(
            f"layout {layout} is from a later version than this one, which supports "
            f"{LAYOUT}; update dit_lite"
        )
    changed = dict(tensors)
    for name, value in tensors.items() if layout is None else ():
        if (fused := _FUSED.search(name)) and value.ndim:  # AdamW counts steps in 0-d
            changed[name] = by_head(value, _PARTS[fused[1]], heads)
    return changed
