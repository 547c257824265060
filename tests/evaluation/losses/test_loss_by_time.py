import dataclasses
import sys

import numpy as np
import pytest
import torch

from dit_lite import load
from dit_lite.data import captioned_shapes, digits
from dit_lite.evaluation import LossByTime, loss_by_time, validation_loss


@pytest.fixture(scope="module")
def shipped():
    return loss_by_time(load("digits"), digits("test"), repeats=2)


def test_one_slice_is_the_validation_loss(shipped):
    _, loss = validation_loss(load("digits"), digits("test"), repeats=2)
    whole = shipped.bins("class", 1)
    assert whole.mean.item() == pytest.approx(loss.mean().item(), rel=1e-6)
    assert whole.count.item() == len(loss) == 710


def test_slices_are_means_over_their_times(shipped):
    found = shipped.bins("class", 4)
    for i, (low, high) in enumerate(
        zip(found.edges[:-1], found.edges[1:], strict=True)
    ):
        inside = (shipped.t >= low) & (shipped.t < high)
        assert found.count[i] == inside.sum()
        assert found.mean[i].item() == pytest.approx(
            shipped.losses["class"][inside].mean().item(), rel=1e-6
        )


def test_a_wrong_class_costs_more_than_none_and_none_more_than_the_right_one(shipped):
    for label in ("no class", "wrong class"):
        penalty = shipped.bins(label, 1, minus="class")
        assert penalty.mean > 3 * penalty.error
        # pairs share image, time and noise
        assert penalty.error < torch.hypot(
            shipped.bins(label, 1).error, shipped.bins("class", 1).error
        )
    assert shipped.bins("wrong class", 1, minus="no class").mean > 0


def test_a_wrong_class_is_never_the_right_one_and_every_other_one_occurs(
    alive, monkeypatch
):
    given = []

    def keep(model, data, repeats, seed, labels):
        given.append(labels)
        return torch.tensor([0.5]), torch.tensor([1.0])

    monkeypatch.setattr(sys.modules[LossByTime.__module__], "validation_loss", keep)
    data = digits("test")
    loss_by_time(alive(num_classes=10), data)
    right, null, wrong = given
    assert torch.equal(right, torch.from_numpy(data.labels))
    assert (null == 10).all()
    assert set(((wrong - right) % 10).tolist()) == set(range(1, 10))


def test_a_wrong_caption_is_that_of_another_image(alive, monkeypatch):
    given = []

    def keep(model, data, repeats, seed, labels):
        given.append(labels)
        return torch.tensor([0.5]), torch.tensor([1.0])

    monkeypatch.setattr(sys.modules[LossByTime.__module__], "validation_loss", keep)
    own = 1 + torch.arange(24).view(8, 3)  # no word twice
    data = dataclasses.replace(captioned_shapes("test", length=8), labels=own.numpy())
    loss_by_time(alive(condition="caption", vocab_size=30, caption_length=3), data)
    right, null, wrong = given
    assert torch.equal(right, own)
    assert not null.any()
    assert not (wrong == right).any()
    assert torch.equal(wrong.sort(0).values, own), "whole captions, each used once"


def test_a_model_without_a_null_class_is_given_classes_only(alive):
    assert set(
        loss_by_time(
            alive(num_classes=10, null_class=False), digits("test"), repeats=1
        ).losses
    ) == {"class", "wrong class"}


def test_the_error_is_that_of_a_mean_over_images():
    """Drawn again and again, means spread as the error says, although triples of an
    image hang together.
    """
    generator, means, errors = torch.Generator().manual_seed(0), [], []
    for _ in range(400):
        image = torch.arange(50).repeat(4)
        loss = torch.randn(50, generator=generator).repeat(4) + 0.3 * torch.randn(
            200, generator=generator
        )
        found = LossByTime(torch.full((200,), 0.5), image, {"class": loss}).bins(
            "class", 1
        )
        means.append(found.mean.item())
        errors.append(found.error.item())
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [(dict(label="right"), "label='right' is not known; choose one of: class"),
    (dict(minus="x"), "label='x'"), (dict(number=0), "number=0"),
     (dict(number=1000), "number=1000 slices of t, one has only 0 images")],
)  # fmt: skip
def test_a_wrong_argument_is_refused(shipped, changes, said):
    with pytest.raises(ValueError, match=said):
        shipped.bins(**changes)
