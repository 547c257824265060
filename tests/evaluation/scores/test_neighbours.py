import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import dit_lite
from dit_lite.evaluation import memorisation, nearest, precision_recall, real_images
from dit_lite.evaluation.scores import neighbours


def features(n: int, seed: int, size: int = 5) -> torch.Tensor:
    return torch.randn(
        n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(1, 4),
    st.integers(0, 2**31),
    st.floats(-1000, 1000),
)
def test_the_nearest_are_those_of_sorting_all(n, m, k, seed, shift):
    points, of, k = features(n, seed) + shift, features(m, seed + 1) + shift, min(k, m)
    distances = (points[:, None] - of).norm(dim=2)
    found = nearest(points, of, k)
    assert torch.allclose(found.distance, distances.sort(1).values[:, :k], rtol=1e-12)
    assert torch.equal(distances.gather(1, found.index), found.distance)


def test_blocks_change_nothing_and_stay_below_the_bound(monkeypatch):
    points, of = features(101, 0), features(60, 1)
    whole = nearest(points, of, 3)
    monkeypatch.setattr(neighbours, "AT_ONCE", 500)
    blocks = [distances for _, distances in neighbours.distance_blocks(points, of)]
    assert max(block.numel() for block in blocks) <= 500
    assert len(blocks) == 13
    assert all(map(torch.equal, nearest(points, of, 3), whole))


def test_a_copy_has_distance_zero_even_far_from_the_origin():
    of = features(200, 0, 64) + 1e4
    found = nearest(of[:50], of)
    assert (found.distance == 0).all()
    assert torch.equal(found.index[:, 0], torch.arange(50))


def test_copies_that_are_repeated_still_count_as_inside():
    """Balls around repeated images have radius 0; rounding must not push the copies
    out of them.
    """
    repeated = features(10, 0, 64).repeat(20, 1) + 100
    assert precision_recall(repeated, repeated.clone()) == (1, 1)


@pytest.mark.parametrize("k", [0, 6])
def test_neighbours_that_are_not_there_are_refused(k):
    with pytest.raises(ValueError, match=f"k={k} must be at least 1 and at most 5"):
        nearest(features(3, 0), features(5, 1), k)


def test_copies_are_told_from_new_images():
    train, _ = real_images("train")
    held_out, _ = real_images("test")
    noise = 0.01 * torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    copied = memorisation(train[:50] + noise, train)
    assert torch.equal(copied.index, torch.arange(50))
    assert copied.copies > 0.9
    fresh = memorisation(held_out, train)
    assert fresh.copies == 0
    assert fresh.median > 5 * copied.median


def test_the_shipped_model_is_no_nearer_to_its_training_images_than_fresh_digits_are():
    train, _ = real_images("train")
    made = dit_lite.sample(
        dit_lite.load("digits"), list(range(10)) * 5, steps=10, guidance=1.5, seed=0
    )
    found, fresh = (
        memorisation(made, train),
        memorisation(real_images("test")[0], train),
    )
    assert found.copies == 0
    assert found.median > 0.6 * fresh.median


def test_an_image_that_occurs_twice_hides_its_copies_from_the_ratio():
    train = features(30, 0)
    found = memorisation(train[:3], torch.cat([train, train]))
    assert found.copies == 0
    assert found.median == 0


@pytest.mark.parametrize(
    "made", [torch.ones(5, 64), torch.ones(5, 1, 8, 7), torch.ones(5)]
)
def test_pixels_and_features_are_not_mixed(made):
    with pytest.raises(
        ValueError, match=r"differ in shape; use both in pixels or both in features"
    ):
        memorisation(made, torch.zeros(9, 1, 8, 8))
