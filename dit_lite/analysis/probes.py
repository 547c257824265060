"""What a linear map can read from a set of vectors: a class, or a number. A random half
trains the map, the other half tests it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def read_class(vectors: Tensor, labels: Tensor) -> float:
    """Share of held-out labels that a linear classifier predicts from vectors (n, D)
    with labels (n,) int64.

    Softmax regression, trained to convergence. Raises ValueError when there are not as
    many labels as vectors, or fewer than four.
    """
    vectors, train, test = _prepared(vectors, labels)
    # random weights would move the global generator
    linear = nn.utils.skip_init(
        nn.Linear, vectors.shape[1], int(labels.max()) + 1, dtype=torch.float64
    )
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimiser = torch.optim.LBFGS(
        linear.parameters(), max_iter=200, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(linear(vectors[train]), labels[train])
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return (linear(vectors[test]).argmax(1) == labels[test]).double().mean().item()


def read_number(vectors: Tensor, values: Tensor) -> float:
    """R^2 of held-out numbers (n,) predicted from vectors (n, D) by least squares: 1 is
    perfect, 0 no better than their mean.

    Raises ValueError when there are not as many numbers as vectors, or fewer than four.
    """
    vectors, train, test = _prepared(vectors, values)
    inputs, values = (
        torch.cat([vectors, vectors.new_ones(len(vectors), 1)], dim=1),
        values.double(),
    )
    weights = torch.linalg.lstsq(
        inputs[train], values[train, None], driver="gelsd"
    ).solution[:, 0]
    error = inputs[test] @ weights - values[test]
    return 1 - (error.square().mean() / values[test].var(correction=0)).item()


def _prepared(vectors: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors with mean 0 and variance 1 in every channel, and the places of the two
    halves.
    """
    if vectors.ndim != 2 or others.shape != vectors.shape[:1] or len(vectors) < 4:
        raise ValueError(
            f"vectors of shape {tuple(vectors.shape)} and targets of shape "
            f"{tuple(others.shape)}: pass (n, D) and (n,), n >= 4"
        )
    vectors = vectors.detach().double()
    places = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))
    half = len(vectors) // 2
    return (
        (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-12),
        places[:half],
        places[half:],
    )
