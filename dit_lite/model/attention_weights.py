"""How products of queries and keys become weights that sum to 1."""

import torch
from torch import Tensor


def softmax(logits: Tensor) -> Tensor:
    """exp(z_j) / sum_k exp(z_k): every weight is above 0. Source: 1706.03762 eq. 1."""
    return logits.softmax(-1)


def sparsemax(logits: Tensor) -> Tensor:
    """The point of the simplex nearest to z, max(z_j - tau, 0): most weights are
    exactly 0. Source: 1602.02068 alg. 1.
    """
    dtype = logits.dtype
    # bf16 has too few bits for the sums, and for ranks above 256
    logits = logits.to(torch.promote_types(dtype, torch.float32))
    # smaller numbers give the same weights and gradients
    logits = logits - logits.detach().amax(-1, keepdim=True)
    z = logits.sort(-1, descending=True).values
    rank = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    total = z.cumsum(-1)
    size = (1 + rank * z > total).sum(-1, keepdim=True)  # of the support, at least 1
    tau = (total.gather(-1, size - 1) - 1) / size
    return (logits - tau).clamp(min=0).to(dtype)


#: logits (..., N, M), -inf where a key may not be seen -> weights (..., N, M), rows
#: that sum to 1. Only softmax has a fused kernel.
WEIGHTINGS = {"softmax": softmax, "sparsemax": sparsemax}
