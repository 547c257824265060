import pytest
import torch
from torch import nn

from dit_lite.evaluation import LEARNERS, classification_score


class Nearest(nn.Module):
    """The class of the nearest image."""

    def __init__(self, images, labels, seed):
        super().__init__()
        self.images, self.labels = images.flatten(1), labels

    def forward(self, images):
        return nn.functional.one_hot(
            self.labels[torch.cdist(images.flatten(1), self.images).argmin(1)], 3
        )


def spots(values) -> torch.Tensor:
    """An image of two pixels for each value."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 1, 2)


REAL, ANSWERS = (
    spots([-0.9, -0.8, 0.0, 0.1, 0.8, 0.9]),
    torch.tensor([0, 0, 1, 1, 2, 2]),
)


def test_what_is_learned_from_samples_is_tested_on_real_images():
    found = classification_score(
        Nearest, spots([-1.0, 0.05, 1.0]), torch.tensor([0, 1, 2]), REAL, ANSWERS
    )
    assert (found.value, found.method) == (1.0, "Wilson")
    swapped = classification_score(
        Nearest, spots([1.0, 0.05, -1.0]), torch.tensor([0, 1, 2]), REAL, ANSWERS
    )
    assert swapped.value == pytest.approx(2 / 6)


def test_samples_of_nan_teach_nothing():
    images = spots([-1.0, 0.05, 1.0, torch.nan])
    assert (
        classification_score(
            Nearest, images, torch.tensor([0, 1, 2, 1]), REAL, ANSWERS
        ).value
        == 1
    )
    with pytest.raises(
        ValueError,
        match="no sample of class 1, which the real images have; make samples of all "
        "3 classes",
    ):
        classification_score(
            Nearest,
            spots([-1.0, torch.nan, 1.0]),
            torch.tensor([0, 1, 2]),
            REAL,
            ANSWERS,
        )


@pytest.mark.parametrize(
    ("images", "labels", "error", "said"),
    [
        (spots([-1.0, 0.0, 1.0]) * 100, [0, 1, 2], ValueError, r"expected \[-1,1\]"),
        (spots([-1.0, 0.0, 1.0]).byte(), [0, 1, 2], TypeError, "torch.uint8"),
        (
            spots([-1.0, 0.0, 1.0]).expand(3, 1, 2, 2),
            [0, 1, 2],
            ValueError,
            r"samples have shape \(1, 2, 2\), real images \(1, 1, 2\)",
        ),
        (
            spots([-1.0, 0.0, 1.0]),
            [0, 1],
            ValueError,
            r"labels have shape \(2,\); expected \(3,\), one per image",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused(images, labels, error, said):
    with pytest.raises(error, match=said):
        classification_score(Nearest, images, torch.tensor(labels), REAL, ANSWERS)


def test_photographs_are_learned_by_convolutions():
    labels = torch.arange(40) % 2
    images = (
        torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.5
        - 0.5
    )
    images[labels == 0, :, :16] += 0.8  # bright above, or bright below
    images[labels == 1, :, 16:] += 0.8
    network = LEARNERS["cifar10"](images[:20], labels[:20], 0, visits=1000)
    assert (network(images[20:]).argmax(1) == labels[20:]).float().mean() > 0.9


def test_digits_are_learned_by_a_judge_of_their_own(monkeypatch):
    monkeypatch.setattr(
        "dit_lite.evaluation.scores.classification_accuracy_score.train_judge",
        lambda steps, *data: data,
    )
    # train_judge(steps, seed, images, labels)
    assert LEARNERS["digits"](REAL, ANSWERS, 3) == (3, REAL, ANSWERS)
