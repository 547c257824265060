"""Spreading a device-agnostic model over many devices: the one place where it is
wrapped, sharded, split or staged.
"""

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from ..config import ConfigError
from ..model.dit import DiT
from ..training.memory import checkpoint_blocks
from .mesh import Mesh
from .pipeline import Stage
from .sequence import split_tokens
from .tensor import split_layers


def parallelize(model: DiT, mesh: Mesh, checkpointing: str = "none") -> nn.Module:
    """The model as this rank trains it, as `mesh` specifies.

    First each replica is split, then blocks are set to recompute, then replicas share
    their gradients (DDP) or their whole state (FSDP2). Parameters keep their names.
    With stages the result is this rank's `Stage`.
    """
    strategy = mesh.strategy
    if strategy.data == "fsdp" and checkpointing == "sqrt":
        raise ConfigError(
            "checkpointing='sqrt' runs several blocks as one, and fsdp gathers the "
            "weights of one block at a time; choose checkpointing='block'"
        )
    device = next(model.parameters()).device
    if strategy.tensor > 1:
        split_layers(model, mesh.mesh["tensor"])
    if strategy.sequence > 1:
        split_tokens(model, mesh.group("sequence"))
    part: nn.Module = model
    if strategy.stages > 1:
        part = Stage(model, mesh.place("stage"), strategy.stages)
    checkpoint_blocks(model, checkpointing)
    sharded = strategy.data == "fsdp" or strategy.tensor > 1
    if sharded and mesh.data_world * mesh.size("sequence") > 1:
        # weights that every micro-batch needs stay gathered
        once = strategy.stages > 1
        if mesh.size("replica") > 1:
            return shard(part, mesh.mesh["replica", "data"], once)
        return shard(part, mesh.flat("data", "sequence"), once)
    # for averaging gradients, parts of the tokens count as parts of the batch
    copies = mesh.flat("data", "sequence")
    if copies.size() == 1:
        return part
    return replicate(part, copies, device)


def replicate(model: nn.Module, mesh: DeviceMesh, device: torch.device) -> nn.Module:
    """Whole copies that average their gradients while the backward pass goes on
    (2006.15704).
    """
    return DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        process_group=mesh.get_group(),
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )


def shard(model: nn.Module, mesh: DeviceMesh, once: bool = False) -> nn.Module:
    """Weights, gradients and optimiser state in equal parts; a block's weights are
    whole only while it runs (ZeRO-3 1910.02054, FSDP 2304.11277), or with `once` from
    the first forward pass of a step to the last backward pass. A mesh with two
    dimensions holds copies of such groups.
    """
    inside = model.module if isinstance(model, Stage) else model
    blocks = inside.blocks
    for block in blocks.values() if isinstance(blocks, nn.ModuleDict) else blocks:
        fully_shard(block, mesh=mesh, reshard_after_forward=not once)
    return fully_shard(model, mesh=mesh, reshard_after_forward=not once)
