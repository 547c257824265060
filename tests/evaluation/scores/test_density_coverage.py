import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dit_lite.evaluation import density_coverage, precision_recall


def features(n: int, seed: int, size: int = 5, shift: float = 0.0) -> torch.Tensor:
    return (
        torch.randn(
            n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        + shift
    )


def expected_coverage(n: int, m: int, k: int = 5) -> float:
    """Of n real images by m others as good (2002.09797 lemma 2)."""
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (n - i) / (n + m - i)
    return 1 - missed


def by_loops(real, made, k: int) -> tuple[float, float]:
    """Samples in neighbourhoods of the data, and neighbourhoods with samples,
    counted one by one.
    """

    def distance(a, b):
        return ((a - b) ** 2).sum().item() ** 0.5

    hits = covered = 0
    for centre in real:
        # the first is the centre itself
        radius = sorted(distance(other, centre) for other in real)[k]
        inside = sum(distance(point, centre) <= radius for point in made)
        hits, covered = hits + inside, covered + (inside > 0)
    return hits / (k * len(made)), covered / len(real)


@given(
    st.integers(8, 25),
    st.integers(8, 25),
    st.integers(1, 5),
    st.integers(0, 2**31),
    st.floats(0, 2),
)
def test_both_numbers_are_those_of_a_loop(n, m, k, seed, shift):
    real, made = features(n, seed), features(m, seed + 1, shift=shift)
    assert density_coverage(real, made, k) == pytest.approx(by_loops(real, made, k))


def test_fresh_real_images_score_what_the_theory_says():
    scores = torch.tensor(
        [density_coverage(features(150, s), features(100, s + 1000)) for s in range(30)]
    )
    assert scores[:, 0].mean() == pytest.approx(1, abs=0.04)
    assert scores[:, 1].mean() == pytest.approx(expected_coverage(150, 100), abs=0.02)
    assert (
        0.8
        < expected_coverage(150, 100)
        < expected_coverage(150, 200)
        < expected_coverage(150, 200, 10)
        < 1
    )


def test_samples_that_are_all_outliers_reach_recall_and_not_coverage():
    """Samples strewn far around the data: the balls between them reach everything,
    and hardly any is near a real image.
    """
    real = features(300, 0)
    scattered = 30 * torch.randn(
        40, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    assert precision_recall(real, scattered).recall > 0.9
    assert density_coverage(real, scattered).coverage < 0.1


def test_dropping_half_of_the_modes_costs_coverage_only():
    real = torch.cat([features(200, 0), features(200, 1, shift=30.0)])
    density, coverage = density_coverage(real, features(400, 2))
    assert density > 0.9
    assert coverage == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("real", "made", "k", "said"),
    [
        (
            features(10, 0),
            features(10, 0, size=4),
            5,
            r"\(10, 5\) and \(10, 4\); expected",
        ),
        (
            features(6, 0),
            features(10, 0),
            5,
            "k=5 neighbours need at least 7 features of each; got 6 and 10",
        ),
        (features(10, 0), features(10, 0), 0, "k=0 must be at least 1"),
        (features(10, 0), features(10, 0) / 0, 5, "in 10 of 10 rows"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(real, made, k, said):
    with pytest.raises(ValueError, match=said):
        density_coverage(real, made, k)
