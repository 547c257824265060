import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from dit_lite.evaluation import Gaussian, frechet_between, frechet_distance, gaussian


def features(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    """Correlated features of unequal scale."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(n, d, generator=generator, dtype=torch.float64)
        @ torch.randn(d, d, generator=generator, dtype=torch.float64)
        + shift
    )


def with_scipy(real: torch.Tensor, made: torch.Tensor) -> float:
    a, b = np.cov(real.numpy(), rowvar=False), np.cov(made.numpy(), rowvar=False)
    mean = real.numpy().mean(0) - made.numpy().mean(0)
    return mean @ mean + np.trace(a + b - 2 * sqrtm(a @ b).real)


@pytest.mark.parametrize(
    ("n", "m", "d", "shift"),
    [(50, 70, 3, 0.0), (200, 200, 20, 1.0), (400, 300, 64, 0.1), (70, 2000, 64, 5.0)],
)
def test_the_distance_is_that_of_scipys_square_root(n, m, d, shift):
    real, made = features(n, d, 0), features(m, d, 1, shift)
    assert frechet_distance(real, made) == pytest.approx(
        with_scipy(real, made), rel=1e-8
    )


def test_the_distance_is_that_of_torch_fidelity():
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    real, made = features(300, 32, 0), features(200, 32, 1, 0.5)
    theirs = fid.fid_statistics_to_metric(
        *(fid.fid_features_to_statistics(x) for x in (real, made)), verbose=False
    )
    assert frechet_distance(real, made) == pytest.approx(
        theirs["frechet_inception_distance"], rel=1e-8
    )


@given(st.integers(1, 8), st.integers(0, 2**31), st.floats(-5, 5), st.floats(0.1, 10))
def test_it_is_a_distance_that_moves_and_scales_with_its_space(d, seed, shift, scale):
    real, made = features(d + 20, d, seed), features(d + 30, d, seed + 1, shift)
    distance = frechet_distance(real, made)
    assert frechet_distance(made, real) == pytest.approx(distance, rel=1e-6, abs=1e-9)
    assert frechet_distance(real * scale + 3, made * scale + 3) == pytest.approx(
        scale**2 * distance, rel=1e-6, abs=1e-7 * scale**2
    )
    turn = torch.linalg.qr(features(d, d, seed + 2)).Q
    assert frechet_distance(real @ turn, made @ turn) == pytest.approx(
        distance, rel=1e-6, abs=1e-7
    )
    assert frechet_distance(real, real.clone()) == pytest.approx(
        0, abs=1e-7 * real.var(0).sum().item()
    )


def test_a_shift_costs_its_square_and_a_scale_the_square_of_the_difference():
    one = Gaussian(torch.zeros(4).double(), torch.eye(4).double(), 100)
    assert frechet_between(one, one._replace(mean=one.mean + 2)) == pytest.approx(16)
    assert frechet_between(
        one, one._replace(covariance=9 * one.covariance)
    ) == pytest.approx(4 * (3 - 1) ** 2)


def test_it_is_blind_to_what_is_not_in_two_moments():
    """Coin flips and a bell curve, both made of mean 0 and covariance 1, are one to
    it.
    """
    flips = (
        torch.randint(2, (4000, 2), generator=torch.Generator().manual_seed(0)).double()
        * 2
        - 1
    )

    def whitened(x):
        x = x - x.mean(0)
        return torch.linalg.solve_triangular(
            torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False
        ).T

    assert frechet_distance(whitened(flips), whitened(features(4000, 2, 0))) < 1e-9


def test_ten_images_repeated_are_far_from_the_data():
    real = features(500, 20, 0)
    assert frechet_distance(real, real[:10].repeat(50, 1)) > 10 * frechet_distance(
        real[:250], real[250:]
    )


def test_moments_may_be_kept_instead_of_features():
    real, made = features(60, 5, 0), features(60, 5, 1)
    assert (
        frechet_distance(gaussian(real), made)
        == frechet_distance(real, gaussian(made))
        == frechet_distance(real, made)
    )
    assert gaussian(real.float()).covariance.dtype == torch.float64


@pytest.mark.parametrize(
    ("real", "made", "said"),
    [
        (
            features(64, 64, 0),
            features(100, 64, 1),
            r"n=64 images are too few.*d=64 features.*at least 65 images.*kernel_distance",
        ),
        (features(100, 8, 0), features(3, 8, 1), "n=3 images are too few"),
        (features(100, 8, 0), features(100, 7, 1), r"\(100, 8\) and \(100, 7\)"),
        (
            gaussian(features(100, 8, 0)),
            features(100, 7, 1),
            "d=8 and d=7 features; use the same extractor for both",
        ),
        (
            features(100, 8, 0),
            features(100, 8, 1).log(),
            r"made features hold NaN or infinity in \d+ of 100 rows.*`finite`",
        ),
    ],
)
def test_features_that_cannot_be_compared_are_refused(real, made, said):
    with pytest.raises(ValueError, match=said):
        frechet_distance(real, made)
