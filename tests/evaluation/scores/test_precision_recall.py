import pytest
import torch

from dit_lite.evaluation import precision_recall


def features(n: int, seed: int, size: int = 5, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed)) + shift


def by_loops(points, of, k: int) -> float:
    """Share of points within the k-th-neighbour ball of any of the others, counted
    one by one.
    """
    inside = 0
    for point in points:
        for centre in of:
            # the first is the centre itself
            radius = sorted(
                ((other - centre) ** 2).sum().item() ** 0.5 for other in of
            )[k]
            if ((point - centre) ** 2).sum().item() ** 0.5 <= radius:
                inside += 1
                break
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(
    ("n", "m", "shift"), [(30, 30, 0.0), (28, 20, 1.0), (12, 31, 0.5)]
)
def test_both_numbers_are_those_of_a_loop(n, m, shift, k):
    real, made = features(n, 0).double(), features(m, 1, shift=shift).double()
    assert precision_recall(real, made, k) == pytest.approx(
        (by_loops(made, real, k), by_loops(real, made, k))
    )


def test_samples_and_data_change_places():
    real, made = features(200, 0), features(150, 1, shift=0.7)
    assert precision_recall(real, made) == precision_recall(made, real)[::-1]


def test_two_halves_of_one_set_score_alike():
    precision, recall = precision_recall(features(600, 0), features(600, 1))
    assert precision == pytest.approx(recall, abs=0.05)
    assert precision > 0.8


def test_a_copy_scores_one_and_a_stranger_zero():
    real = features(100, 0)
    assert precision_recall(real, real.clone()) == (1, 1)
    assert precision_recall(real, features(100, 1, shift=50.0)) == (0, 0)


def test_precision_misses_what_recall_finds():
    """Samples of one mode out of two are all plausible and cover half of the data."""
    real = torch.cat([features(300, 0), features(300, 1, shift=50.0)])
    precision, recall = precision_recall(real, features(300, 2))
    assert precision > 0.8
    assert recall == pytest.approx(0.45, abs=0.07)


def test_distances_far_from_the_origin_stay_exact():
    real, made = features(60, 0), features(60, 1)
    assert precision_recall(real + 1000, made + 1000) == pytest.approx(
        precision_recall(real, made), abs=0.02
    )


@pytest.mark.parametrize(
    ("real", "made", "said"),
    [
        (
            features(10, 0),
            features(10, 0, size=4),
            r"\(10, 5\) and \(10, 4\); expected",
        ),
        (features(10, 0)[0], features(10, 0), r"\(5,\) and \(10, 5\)"),
        (
            features(4, 0),
            features(10, 0),
            "k=3 neighbours need at least 5 features of each; got 4 and 10",
        ),
        (features(10, 0), features(0, 0), "got 10 and 0"),
        (features(10, 0), features(10, 0) * torch.nan, "NaN"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(real, made, said):
    with pytest.raises(ValueError, match=said):
        precision_recall(real, made)


@pytest.mark.parametrize("k", [0, -1])
def test_a_number_of_neighbours_is_at_least_one(k):
    with pytest.raises(ValueError, match=f"k={k} must be at least 1"):
        precision_recall(features(10, 0), features(10, 1), k)
