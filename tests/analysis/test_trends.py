import math

import numpy as np
import pytest
import torch

from dit_lite.analysis import SHAPES, fit_shape, rank_correlation, slope

stats = pytest.importorskip("scipy.stats")
optimize = pytest.importorskip("scipy.optimize")


def draws(seed: int, *size: int) -> torch.Tensor:
    return torch.randn(
        size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def test_slope_and_rank_correlation_equal_scipy_also_with_ties():
    x, y = draws(0, 2, 40)
    x = (2 * x).round()
    assert slope(x, y) == pytest.approx(stats.linregress(x, y).slope)
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_partial_correlation_equals_its_formula():
    x, y, z = draws(1, 3, 60).cumsum(0)
    xy, xz, yz = (rank_correlation(*pair) for pair in ((x, y), (x, z), (y, z)))
    assert rank_correlation(x, y, given=z) == pytest.approx(
        (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    )


def test_nothing_is_left_when_the_given_explains_all():
    x = draws(2, 30)
    assert rank_correlation(x, x.exp(), given=-x) == 0.0
    assert slope(torch.ones(5), x[:5]) == 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_fit_finds_the_least_squares_of_scipy(shape):
    x = torch.tensor([8.0, 16, 24, 40, 64]).repeat(3)
    truth = {
        "sigmoid": (-3.0, 1.2),
        "power law": (-1.0, 0.8),
        "linear in log": (0.1, 0.15),
    }[shape]
    y = SHAPES[shape](truth[0] + truth[1] * x.double().log()) + 0.01 * draws(3, 15)
    found = fit_shape(shape, x, y)

    def curve(x, a, b):
        return SHAPES[shape](torch.as_tensor(a + b * np.log(x))).numpy()

    (a, b), _ = optimize.curve_fit(curve, x.double().numpy(), y.numpy(), p0=truth)
    assert (found.a, found.b) == pytest.approx((a, b), rel=1e-4)
    assert found.residual == pytest.approx(0.01, rel=0.5)


def test_the_true_shape_has_the_lowest_criterion_when_the_noise_is_small():
    x = torch.tensor([2.0, 4, 8, 16, 32, 64, 128])
    y = SHAPES["power law"](0.1 + 0.7 * x.double().log()) + 1e-4 * draws(4, 7)
    assert (
        min((fit_shape(shape, x, y) for shape in SHAPES), key=lambda fit: fit.aic).shape
        == "power law"
    )


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="at least 5"):
        fit_shape("sigmoid", torch.arange(1.0, 5), torch.rand(4))
