"""Less memory for activations: compute them again, keep them elsewhere, or keep fewer
bits of them.

Each way changes an existing model or a region of code, and none changes the result of
the forward pass. Gradients stay the same to the bit, except where bits are dropped.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..config import ConfigError, choose

CHECKPOINTING = ("none", "block", "sqrt")


def segment_lengths(depth: int, how: str) -> list[int]:
    """How many blocks each checkpointed segment has: one for "block", about sqrt(L) for
    "sqrt" (Chen et al. 1604.06174, sec. 4.1), none for "none".
    """
    choose("checkpointing", how, CHECKPOINTING)
    if how == "none":
        return []
    length = 1 if how == "block" else math.ceil(math.sqrt(depth) - 1e-6)
    return [min(length, depth - start) for start in range(0, depth, length)]


def checkpoint_blocks(model: nn.Module, how: str) -> nn.Module:
    """Recompute the blocks of `model` in every backward pass from now on, one by one or
    in segments of about sqrt(L). Parameter names do not change. Returns the model.

    To be called before DDP or FSDP wrap it. Raises ConfigError for another `how`, and
    for segments of several blocks in a model with long skips.
    """
    blocks = [*model.blocks.children()]
    lengths = segment_lengths(len(blocks), how)
    if model.config.long_skips and max(lengths, default=1) > 1:
        raise ConfigError(
            f"checkpointing={how!r} and long_skips=True: a long skip needs the tokens "
            "of every block; choose checkpointing='block'"
        )
    start = 0
    for length in lengths:
        _recompute(blocks[start : start + length])
        start += length
    return model


def _recompute(blocks: list[nn.Module]) -> None:
    """The first block of a segment runs all of them, the others return their input.

    The blocks stay where they are in the model, so that no name changes.
    """
    segment = Segment([block.forward for block in blocks])
    blocks[0].forward = segment.forward
    for block in blocks[1:]:
        block.forward = segment.hand_on


class Segment:
    """The forward methods of consecutive blocks as one that keeps only its input. A
    copy of the model copies the methods with their blocks, which a closure would not.
    """

    def __init__(self, forwards: list[Callable]):
        self.forwards = forwards

    def run(self, x: Tensor, *context) -> Tensor:
        for forward in self.forwards:
            x = forward(x, *context)
        return x

    def forward(self, x: Tensor, *context) -> Tensor:
        if not torch.is_grad_enabled():
            return self.run(x, *context)
        return checkpoint(
            self.run, x, *context, use_reentrant=False, preserve_rng_state=False
        )

    def hand_on(self, x: Tensor, *context) -> Tensor:
        return x


@dataclass
class Kept:
    """Bytes that autograd kept in a region: as they were, and as they are stored."""

    full: int = 0
    stored: int = 0


def _saved(
    pack: Callable[[Tensor], object], unpack: Callable, least: int, model: nn.Module
) -> contextlib.AbstractContextManager:
    """Saved-tensor hooks for floating activations of at least `least` values;
    parameters and views of them stay as they are.
    """
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def eligible(tensor: Tensor) -> bool:
        return (
            tensor.is_floating_point()
            and tensor.numel() >= least
            and tensor.untyped_storage().data_ptr() not in own
        )

    def pack_some(tensor: Tensor) -> object:
        return (True, pack(tensor)) if eligible(tensor) else (False, tensor)

    def unpack_some(packed: tuple) -> Tensor:
        changed, value = packed
        return unpack(value) if changed else value

    return torch.autograd.graph.saved_tensors_hooks(pack_some, unpack_some)


@contextlib.contextmanager
def offloaded(model: nn.Module, least: int = 4096) -> Iterator[Kept]:
    """Inside, activations wait for the backward pass in the host's memory, page-locked
    where there is a GPU. On the CPU they are copied too, so that bytes are counted.

    It pays off where bytes / bandwidth is shorter than the computation that hides it.
    Yields the bytes moved.
    """
    kept = Kept()

    def pack(tensor: Tensor):
        there = torch.empty(
            tensor.size(),
            dtype=tensor.dtype,
            layout=tensor.layout,
            pin_memory=tensor.is_cuda,
        )
        there.copy_(tensor, non_blocking=tensor.is_cuda)
        kept.full += tensor.nbytes
        kept.stored += tensor.nbytes
        return tensor.device, there

    def unpack(packed) -> Tensor:
        device, there = packed
        return there.to(device, non_blocking=True) if device.type != "cpu" else there

    with _saved(pack, unpack, least, model):
        yield kept


def _to_bf16(tensor: Tensor):
    return tensor.dtype, tensor.to(torch.bfloat16)


def _from_bf16(packed) -> Tensor:
    dtype, value = packed
    return value.to(dtype)


def _to_int8(tensor: Tensor):
    """One byte per value, and one scale per row of the last dimension."""
    scale = tensor.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return tensor.dtype, (tensor / scale).round().to(torch.int8), scale


def _from_int8(packed) -> Tensor:
    dtype, value, scale = packed
    return value.to(dtype) * scale


COMPRESSIONS = {"bf16": (_to_bf16, _from_bf16), "int8": (_to_int8, _from_int8)}


@contextlib.contextmanager
def compressed(model: nn.Module, how: str, least: int = 4096) -> Iterator[Kept]:
    """Inside, activations are kept for the backward pass in "bf16" or "int8" (a scale
    per row); the gradients become noisy, the forward pass does not change.

    Yields the bytes before and after.
    """
    choose("compression", how, COMPRESSIONS)
    to, back = COMPRESSIONS[how]
    kept = Kept()

    def pack(tensor: Tensor):
        packed = to(tensor)
        kept.full += tensor.nbytes
        kept.stored += sum(v.nbytes for v in packed if isinstance(v, Tensor))
        return packed

    with _saved(pack, back, least, model):
        yield kept
