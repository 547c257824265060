"""Tensor parallelism: every layer's heads and hidden units are divided among several
devices (Megatron, 1909.08053 sec. 3).

The first map of a branch is split by columns, the last by rows, so that a branch needs
one sum forward and one backward. Modulations, which have a third of an adaLN-Zero
model's parameters, are split by columns and their vectors gathered.
"""

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)


def tensor_plan(model: nn.Module) -> dict[str, ParallelStyle]:
    """How each module is split, {name: style}. Fused projections are laid out head by
    head, so that splitting by columns gives whole heads to a device.
    """

    def gathered() -> ParallelStyle:
        return ColwiseParallel(output_layouts=Replicate())

    def per_head() -> ParallelStyle:
        return SequenceParallel(sequence_dim=1, use_local_output=True)

    styles = {
        "attention.qkv": ColwiseParallel,
        "attention.out": RowwiseParallel,
        # normalisations of queries and keys (B, h, N, d_h) see the heads of one device
        "attention.query_norm": per_head,
        "attention.key_norm": per_head,
        "cross.query": ColwiseParallel,
        "cross.key_value": ColwiseParallel,
        "cross.out": RowwiseParallel,
        "mlp.0": ColwiseParallel,
        "mlp.2": RowwiseParallel,
        "modulation.1": gathered,
        "shared.1": gathered,
    }
    plan = {}
    for name, module in model.named_modules():
        end = ".".join(name.split(".")[-2:])
        if end in styles and any(True for _ in module.parameters(recurse=False)):
            plan[name] = styles[end]()
    return plan


def split_layers(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Split the layers of a model over a one-dimensional mesh, in place. Every device
    computes the same output from the same input.
    """
    return parallelize_module(model, mesh, tensor_plan(model))
