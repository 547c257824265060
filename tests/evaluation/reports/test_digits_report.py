import dataclasses
import json

import numpy as np
import pytest
import torch

import dit_lite
from dit_lite.data import digits
from dit_lite.evaluation import evaluate_digits, real_images


@pytest.fixture
def untrained(alive):
    return alive(std=0.05, num_classes=10)


def test_real_images_are_the_digits_on_the_scale_of_samples():
    images, labels = real_images("test")
    assert (images.shape, images.min().item(), images.max().item()) == (
        (355, 1, 8, 8),
        -1,
        1,
    )
    assert np.array_equal(((images + 1) * 127.5).round().numpy(), digits("test").images)
    assert torch.equal(labels, torch.from_numpy(digits("test").labels))


def test_a_report_says_what_it_measured(untrained):
    report = evaluate_digits(
        untrained,
        per_class=4,
        guidance=2.0,
        steps=2,
        sampler="ddim",
        seed=3,
        halvings=1,
    )
    assert (
        report.samples,
        report.guidance,
        report.steps,
        report.sampler,
        report.seed,
    ) == (40, 2.0, 2, "ddim", 3)
    assert 0 <= report.worst_class <= report.accuracy <= 1
    values = json.loads(json.dumps(report.to_dict()))
    assert set(values) == {f.name for f in dataclasses.fields(report)} | {
        "precision_share",
        "recall_share",
    }
    assert values["precision_share"] == report.precision / report.real_precision


def test_a_report_repeats(untrained):
    first, again = (
        evaluate_digits(untrained, per_class=4, steps=2, halvings=2) for _ in range(2)
    )
    assert first == again


def test_real_against_real_scores_high_whatever_the_model(untrained):
    report = evaluate_digits(untrained, per_class=72, steps=1, guidance=1, halvings=2)
    assert report.real_precision > 0.7
    assert report.real_recall == pytest.approx(report.real_precision, abs=0.06)
    assert report.precision < 0.3


def test_the_shipped_model_makes_digits():
    report = evaluate_digits(
        dit_lite.load("digits"), per_class=20, steps=10, halvings=1
    )
    assert report.accuracy >= 0.95
    assert report.precision_share > 0.7


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(image_size=16), "16x16x1 images"),
        (dict(channels=3), "8x8x3 images"),
        (dict(num_classes=3), "3 classes"),
    ],
)
def test_a_model_of_other_images_is_refused(alive, changes, said):
    with pytest.raises(ValueError, match=f"{said}.*the judge takes 8x8x1 digits"):
        evaluate_digits(alive(**dict(num_classes=10) | changes), per_class=1, steps=1)


@pytest.mark.parametrize("per_class", [0, -1])
def test_too_few_samples_are_refused(untrained, per_class):
    with pytest.raises(ValueError, match=f"per_class={per_class} must be at least 1"):
        evaluate_digits(untrained, per_class=per_class, steps=1)
