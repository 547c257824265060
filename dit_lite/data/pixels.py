"""Bytes in [0,255], in which images are stored, and floats in [-1,1], which everything
else uses.
"""

from torch import Tensor


def to_floats(bytes_: Tensor) -> Tensor:
    """Images of any shape as floats in [-1,1]: byte / 127.5 - 1."""
    return bytes_.float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Images in [-1,1] as the nearest bytes; what lies outside is clipped."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte()
