import pytest
import torch

from dit_lite.evaluation import (
    Curve,
    Gaussian,
    at_infinity,
    frechet_between,
    frechet_distance,
    gaussian,
    halves,
    sample_size_curve,
    squared_mmd,
)


def features(n: int, seed: int, d: int = 10, shift: float = 0.0) -> torch.Tensor:
    return (
        torch.randn(
            n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        + shift
    )


def test_a_line_in_one_over_n_is_found():
    counts = torch.tensor([100, 200, 400, 800])
    found = at_infinity(Curve(counts, 3 + 50 / counts.double(), torch.zeros(4)))
    assert found == pytest.approx((3, 50, 0), abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_the_frechet_distance_at_infinity_is_nearer_to_the_truth(shift):
    truth = Gaussian(torch.zeros(10).double(), torch.eye(10).double(), 10**9)
    made = features(3000, 0, shift=shift)
    curve = sample_size_curve(
        lambda some: frechet_between(truth, gaussian(some)), made, repeats=3
    )
    exact = 10 * shift**2
    assert (curve.counts[0].item(), curve.counts[-1].item(), len(curve.counts)) == (
        300,
        3000,
        15,
    )
    assert curve.mean[0] > curve.mean[-1]
    found = at_infinity(curve)
    assert found.slope > 0
    if shift == 0:  # else the sampling error of the mean is larger than the bias
        assert abs(found.value - exact) < 0.25 * abs(curve.mean[-1].item() - exact)
    assert found.value == pytest.approx(exact, abs=0.1)


def test_real_against_real_falls_as_one_over_n():
    """Two halves of one set: n times the Fréchet distance is constant, so 0 is not
    what a perfect model scores.
    """
    reference = features(4000, 0)
    scores = [
        frechet_distance(*(part[0][:n] for part in halves(reference, seed=s))) * n
        for n in (125, 500, 2000)
        for s in range(4)
    ]
    by_count = torch.tensor(scores).reshape(3, 4).mean(1)
    assert by_count.max() / by_count.min() < 1.25
    assert by_count.min() > 10


def test_an_unbiased_score_is_level():
    real, made = features(400, 0), features(400, 1, shift=0.5)
    curve = sample_size_curve(
        lambda some: squared_mmd(real, some), made, counts=(40, 100, 400), repeats=20
    )
    assert curve.mean[0] == pytest.approx(curve.mean[2].item(), rel=0.15)
    assert curve.deviation[2] == pytest.approx(0, abs=1e-9)
    assert curve.deviation[0] > curve.deviation[1] > 0


def test_halves_are_two_disjoint_parts_whose_rows_belong_together():
    x = torch.arange(11)
    (a, b), (c, d) = halves(x, -x, seed=3)
    assert (len(a), len(c)) == (5, 5)
    assert len(set(a.tolist()) | set(c.tolist())) == 10
    assert torch.equal(a, -b)
    assert torch.equal(c, -d)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: sample_size_curve(len, torch.ones(5), counts=(6,)),
            "counts=6 must lie between 1 and the 5 samples",
        ),
        (
            lambda: sample_size_curve(len, torch.ones(5), torch.ones(4)),
            "samples have 5, 4 rows",
        ),
        (
            lambda: sample_size_curve(len, torch.ones(50), repeats=0),
            "repeats=0 must be at least 1",
        ),
        (
            lambda: at_infinity(
                Curve(torch.tensor([5, 9]), torch.ones(2), torch.ones(2))
            ),
            "a line through 2 counts",
        ),
        (lambda: halves(torch.ones(5), torch.ones(4)), "samples have 5, 4 rows"),
        (lambda: halves(torch.ones(1)), "at least 2"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
