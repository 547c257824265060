import pytest
import torch

from dit_lite.training.minimise import minimise


def test_a_linear_regression_ends_at_the_least_squares_solution():
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    b = torch.randn(50, 1, generator=generator, dtype=torch.float64)
    x = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    minimise([x], lambda: (A @ x - b).square().mean(), rate=0.05, steps=600)
    assert torch.allclose(x, torch.linalg.lstsq(A, b).solution, atol=1e-5)


def test_the_rate_falls_linearly_to_zero():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    places = []

    def slope():  # Adam's step along a constant gradient is the rate itself
        places.append(x.item())
        return x.sum()

    minimise([x], slope, rate=0.1, steps=4)
    steps = -torch.tensor([*places[1:], x.item()]).diff(prepend=torch.zeros(1))
    assert steps.tolist() == pytest.approx([0.1, 0.075, 0.05, 0.025], rel=1e-5)
