"""The measured memory of a training forward pass: what autograd actually keeps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def saved_bytes(run: Callable[[], Any], model: nn.Module) -> int:
    """Bytes that autograd keeps for the backward pass of `run`, counting each block of
    memory once, without the parameters and buffers of `model`.

    A view counts as its whole underlying memory, since that is what stays allocated.
    `dit_lite.flops` gives the same number in closed form.
    """
    own = {
        tensor.untyped_storage().data_ptr()
        for tensor in (*model.parameters(), *model.buffers())
    }
    # holding on to the tensors keeps an address from being used twice
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
