import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dit_lite.evaluation import half_samples, inception_score


def probabilities(
    n: int, classes: int, seed: int, sharpness: float = 3.0
) -> torch.Tensor:
    return (
        sharpness
        * torch.randn(
            n,
            classes,
            generator=torch.Generator().manual_seed(seed),
            dtype=torch.float64,
        )
    ).softmax(1)


@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 2**31), st.floats(0, 8))
def test_it_is_the_mean_divergence_from_the_marginal(n, classes, seed, sharpness):
    p = probabilities(n, classes, seed, sharpness)
    q = p.mean(0)
    by_hand = math.exp(
        sum(
            float(a) * math.log(float(a) / float(b))
            for row in p
            for a, b in zip(row, q, strict=True)
            if a > 0
        )
        / n
    )
    score = inception_score(p).value
    assert score == pytest.approx(by_hand, rel=1e-9)
    assert 1 - 1e-9 <= score <= classes + 1e-9


@pytest.mark.parametrize("splits", [1, 4])
def test_it_is_that_of_torch_fidelity(splits):
    isc = pytest.importorskip("torch_fidelity.metric_isc")
    p = probabilities(120, 10, 0)
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    theirs = isc.isc_features_to_metric(p[order].log(), splits=splits, shuffle=False)
    ours = inception_score(p, splits=splits)
    assert ours == pytest.approx(
        (theirs["inception_score_mean"], theirs["inception_score_std"]),
        rel=1e-9,
        abs=1e-12,
    )


def test_one_image_a_class_scores_the_number_of_classes():
    assert inception_score(torch.eye(10).repeat(100, 1)).value == pytest.approx(10)
    assert inception_score(torch.full((100, 10), 0.1)).value == pytest.approx(1)
    assert inception_score(torch.eye(10)[[3] * 50]).value == pytest.approx(1)


def test_images_in_the_order_of_their_classes_are_shuffled_before_they_are_split():
    in_order = torch.eye(10).repeat_interleave(100, 0)
    assert inception_score(in_order, splits=10).value > 9


def test_splits_bias_the_score_down():
    p = probabilities(500, 10, 0)
    assert inception_score(p, splits=50).value < inception_score(p).value - 0.1


def test_it_has_an_interval():
    p = probabilities(400, 10, 0)
    found = half_samples(lambda some: inception_score(some).value, p)
    spread = np.std(
        [inception_score(probabilities(400, 10, s)).value for s in range(1, 60)]
    )
    assert 0.6 < (found.high - found.low) / (3.92 * spread) < 1.6


@pytest.mark.parametrize(
    ("p", "splits", "said"),
    [
        (torch.randn(10, 3), 1, r"do not sum to 1; pass logits.softmax\(1\)"),
        (torch.ones(10, 3), 1, "do not sum to 1"),
        (torch.ones(10), 1, r"shape \(10,\); expected \(n, K\)"),
        (torch.eye(4), 3, "splits=3 of n=4 images leave fewer than 2 per split"),
        (torch.eye(4), 0, "splits=0"),
        (torch.eye(4) * torch.nan, 1, "NaN or infinity in 4 of 4 rows"),
    ],
)
def test_what_is_no_distribution_is_refused(p, splits, said):
    with pytest.raises(ValueError, match=said):
        inception_score(p, splits)
