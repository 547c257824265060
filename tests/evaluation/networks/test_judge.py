import pytest
import torch
from torch import nn

from dit_lite.evaluation import (
    Judge,
    class_accuracy,
    load_judge,
    real_images,
    train_judge,
)


def test_the_judge_knows_held_out_digits():
    images, labels = real_images("test")
    accuracy, by_class = class_accuracy(load_judge(), images, labels, 10)
    assert accuracy >= 0.99
    assert by_class.min() >= 0.9


def test_noise_scores_one_in_ten():
    noise = torch.randn(
        1000, 1, 8, 8, generator=torch.Generator().manual_seed(0)
    ).clamp(-1, 1)
    accuracy, _ = class_accuracy(load_judge(), noise, torch.arange(10).repeat(100), 10)
    assert accuracy == pytest.approx(0.1, abs=0.05)


def test_features_are_what_the_last_layer_sees():
    judge = load_judge()
    images = real_images("test")[0][:5]
    assert judge.features(images).shape == (5, 64)
    assert torch.equal(judge.head(judge.features(images)), judge(images))
    assert not judge.training


def test_loading_and_training_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    load_judge()
    train_judge(steps=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_a_judge_learns_and_repeats():
    images, labels = real_images("test")
    first, again = train_judge(steps=40), train_judge(steps=40)
    assert class_accuracy(first, images, labels, 10)[0] > 0.7
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )
    assert isinstance(first, Judge)


def test_a_judge_learns_from_the_images_and_labels_it_is_given():
    images, labels = real_images("train")
    judge = train_judge(40, 0, images, 9 - labels)
    images, labels = real_images("test")
    assert class_accuracy(judge, images, 9 - labels, 10)[0] > 0.7


class Fixed(nn.Module):
    """A judge that reads the class off the first pixel, -1 to 0.5."""

    def forward(self, images):
        return nn.functional.one_hot((2 * images[:, 0, 0, 0] + 2).long(), 4).float()


def test_accuracy_is_counted_over_all_and_by_class():
    said = torch.tensor([0, 0, 1, 1, 1, 3])
    wanted = torch.tensor([0, 0, 0, 1, 1, 1])
    accuracy, by_class = class_accuracy(
        Fixed(), (said / 2 - 1)[:, None, None, None], wanted, 4
    )
    assert accuracy == pytest.approx(4 / 6)
    assert by_class[:2].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert by_class[2:].isnan().all()  # classes that were not asked for
