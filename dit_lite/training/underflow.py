"""Which gradients a 16-bit number can hold, and which updates move a 16-bit weight."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import ConfigError


@dataclass(frozen=True)
class Underflow:
    """Shares of the entries of a gradient that are not zero: rounded to zero, kept with
    fewer bits (subnormal), and too large for the format.
    """

    lost: float
    subnormal: float
    overflow: float
    entries: int


def underflow(
    tensors: Iterable[Tensor], dtype: torch.dtype = torch.float16, scale: float = 1.0
) -> Underflow:
    """What becomes of values times `scale` in `dtype`; loss scaling is the scale that
    makes the first number small without raising the last (1710.03740, sec. 3.2).

    Raises ConfigError when there is no entry other than zero.
    """
    info = torch.finfo(dtype)
    half = info.smallest_normal * info.eps / 2  # rounds to zero, ties to even
    lost = subnormal = overflow = entries = 0
    for tensor in tensors:
        size = tensor.detach().double().abs().mul(scale)
        size = size[size > 0]
        entries += len(size)
        lost += int((size <= half).sum())
        subnormal += int(((size > half) & (size < info.smallest_normal)).sum())
        overflow += int((size > info.max).sum())
    if not entries:
        raise ConfigError(
            "there is no gradient other than zero to look at; call backward() first"
        )
    return Underflow(lost / entries, subnormal / entries, overflow / entries, entries)


def gradients(model: nn.Module) -> list[Tensor]:
    """The gradients that a model has."""
    return [p.grad for p in model.parameters() if p.grad is not None]


def largest_safe_scale(tensors: Iterable[Tensor], dtype: torch.dtype) -> float:
    """The largest power of two that overflows nothing, with a factor of two spare."""
    most = max(tensor.detach().abs().max().item() for tensor in tensors)
    if most <= 0:
        raise ConfigError("all these values are zero; any scale is safe")
    _, exponent = torch.frexp(torch.tensor(torch.finfo(dtype).max / most / 2))
    return 2.0 ** (exponent.item() - 1)


def moved(weight: Tensor, update: Tensor, dtype: torch.dtype) -> float:
    """The share of the weights that change when `update` is added to them in `dtype`,
    of those whose update is not zero.

    At a weight of 1 the spacing of bf16 is 2^-7, so an update below 2^-8 changes
    nothing. An average with decay 0.9999 in bf16 never moves.
    """
    before = weight.to(dtype)
    asked = update != 0
    changed = (before + update.to(dtype)) != before
    return (changed & asked).sum().item() / max(1, asked.sum().item())
