import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dit_lite.evaluation import kernel_distance, squared_mmd


def features(n: int, seed: int, d: int = 6, shift: float = 0.0) -> torch.Tensor:
    return (
        torch.randn(
            n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        + shift
    )


def by_loops(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, pair by pair."""

    def k(a, b):
        return (float(np.dot(a, b)) / len(a) + 1) ** 3

    def within(z):
        return np.mean(
            [k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]
        )

    return within(x) + within(y) - 2 * np.mean([k(a, b) for a in x for b in y])


@given(
    st.integers(2, 12),
    st.integers(2, 12),
    st.integers(1, 9),
    st.integers(0, 2**31),
    st.floats(-2, 2),
)
def test_it_is_the_sum_over_pairs(n, m, d, seed, shift):
    x, y = features(n, seed, d), features(m, seed + 1, d, shift)
    assert squared_mmd(x, y) == pytest.approx(
        by_loops(x.numpy(), y.numpy()), rel=1e-9, abs=1e-9
    )
    assert squared_mmd(y, x) == pytest.approx(squared_mmd(x, y), abs=1e-9)


def test_it_is_that_of_torch_fidelity():
    kid = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = features(80, 0), features(80, 1, shift=0.3)
    assert squared_mmd(x, y) == pytest.approx(
        kid.kernel_mmd(x.numpy(), y.numpy()), rel=1e-10
    )


def test_it_is_unbiased_at_ten_samples_as_at_hundred():
    """Over many draws of one distribution the mean is 0 within its error, and of a
    shifted one it does not depend on the count.
    """
    same = torch.tensor(
        [squared_mmd(features(10, s), features(10, s + 5000)) for s in range(600)]
    )
    assert abs(same.mean()) < 3 * same.std() / 600**0.5
    assert (same < 0).any()
    few = torch.tensor(
        [
            squared_mmd(features(10, s), features(10, s + 5000, shift=0.7))
            for s in range(600)
        ]
    )
    many = torch.tensor(
        [
            squared_mmd(features(100, s), features(100, s + 5000, shift=0.7))
            for s in range(100)
        ]
    )
    assert (
        abs(few.mean() - many.mean()) < 3 * (few.var() / 600 + many.var() / 100).sqrt()
    )


def test_subsets_agree_with_the_whole_and_repeat():
    real, made = features(400, 0), features(300, 1, shift=0.5)
    found = kernel_distance(real, made)
    assert found.low < squared_mmd(real, made) < found.high
    assert found.low < found.value < found.high
    assert kernel_distance(real, made, size=150) == found
    assert kernel_distance(real, made) == found
    assert kernel_distance(real, made, seed=1) != found
    many = features(2000, 0), features(2400, 1)
    assert kernel_distance(*many, subsets=20) == kernel_distance(*many, 1000, 20)


def test_the_interval_of_few_in_a_subset_is_scaled_to_all():
    """Subsets of 20 scatter about as sqrt(200/20) as much as all 200 do; the
    interval has to say so.
    """
    spread = torch.tensor(
        [
            squared_mmd(features(200, s), features(200, s + 5000, shift=0.7))
            for s in range(2, 60)
        ]
    ).std()
    found = kernel_distance(
        features(200, 0), features(200, 1, shift=0.7), size=20, subsets=300
    )
    assert 0.5 < (found.high - found.low) / (3.92 * spread) < 2.2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            dict(size=51),
            "size=51 must be at least 2 and at most half of the smaller set, n=100",
        ),
        (dict(size=1), "size=1 must be at least 2"),
        (dict(subsets=10), "subsets=10 are too few for level=0.95"),
    ],
)
def test_subsets_that_cannot_be_drawn_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        kernel_distance(features(100, 0), features(120, 1), **arguments)


def test_one_sample_has_no_pair():
    with pytest.raises(ValueError, match="at least 2 features of each; got 5 and 1"):
        squared_mmd(features(5, 0), features(1, 1))
