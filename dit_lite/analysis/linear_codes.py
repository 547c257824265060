"""What a linear code with few numbers keeps of data: the rank argument for patches."""

import torch
from torch import Tensor

from ..config.arguments import checked


@checked
def energy_lost(rows: Tensor, W: Tensor, covariance: Tensor | None = None) -> float:
    """Share of the energy of centred `rows` (n, d) that no linear map can recover from
    rows @ W.T, with W (k, d).

    The best map for data with `covariance` S (d, d) is S W^T (W S W^T)^+; None means
    white data, where it is the pseudo-inverse of W.
    """
    if covariance is None:
        back = rows @ W.T @ torch.linalg.pinv(W).T
    else:
        rows, W, S = rows.double(), W.double(), covariance.double()
        inverse = torch.linalg.pinv(W @ S @ W.T, hermitian=True)
        back = rows @ (S @ W.T @ inverse @ W).T
    return ((rows - back).square().sum() / rows.square().sum()).item()
