"""One norm over all gradients, wherever their parts are."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Replicate


def global_norm(
    parameters: Iterable[nn.Parameter], stages: dist.ProcessGroup | None = None
) -> Tensor:
    """The norm of the whole model's gradient: squares are summed over the devices that
    hold parts of a tensor, counted once where they hold copies, and summed over
    `stages`.
    """
    squares: dict[tuple, Tensor] = {}
    for p in parameters:
        if p.grad is None:
            continue
        local, key = p.grad, ()
        if isinstance(local, DTensor):
            whole_sums(p)
            local = p.grad.to_local()
            mesh = p.grad.device_mesh
            key = tuple(
                mesh.get_group(i)
                for i, placement in enumerate(p.grad.placements)
                if not placement.is_replicate()
            )
        square = local.detach().square().sum()
        squares[key] = squares[key] + square if key in squares else square
    total = None
    for groups, square in squares.items():
        for group in groups:
            dist.all_reduce(square, group=group)
        total = square if total is None else total + square
    if stages is not None:
        dist.all_reduce(total, group=stages)
    return total.sqrt()


def whole_sums(p: nn.Parameter) -> None:
    """Add up a gradient that is still spread over devices as parts of a sum."""
    placements = p.grad.placements
    if any(placement.is_partial() for placement in placements):
        p.grad = p.grad.redistribute(
            placements=[
                Replicate() if placement.is_partial() else placement
                for placement in placements
            ]
        )


@torch.no_grad()
def clip(
    parameters: Iterable[nn.Parameter],
    limit: float,
    stages: dist.ProcessGroup | None = None,
) -> Tensor:
    """Scale all gradients by min(1, limit / norm) with their global norm, and return it
    (Pascanu et al. 1211.5063).
    """
    parameters = list(parameters)
    norm = global_norm(parameters, stages)
    # as torch.nn.utils.clip_grad_norm_ computes it
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)
    for p in parameters:
        if p.grad is not None:
            local = p.grad.to_local() if isinstance(p.grad, DTensor) else p.grad
            local.mul_(scale.to(local.dtype))
    return norm
