"""Doctored images: each fault is what its name says, and the look-alike has the
moments it promises.
"""

import pytest
import torch

from dit_lite.evaluation import (
    FAULTS,
    frechet_distance,
    inject,
    look_alike,
    real_images,
)


@pytest.fixture(scope="module")
def digits():
    return real_images("test")


@pytest.mark.parametrize("name", FAULTS)
def test_as_many_images_and_labels_come_out_and_the_given_ones_stay(name, digits):
    images, labels = (part.clone() for part in digits)
    found, asked = inject(name, images, labels)
    assert found.shape == images.shape
    assert asked.shape == labels.shape
    assert torch.equal(images, digits[0])
    assert torch.equal(labels, digits[1])
    assert all(
        torch.equal(*pair)
        for pair in zip(inject(name, images, labels), (found, asked), strict=True)
    )


def test_a_fault_changes_what_its_name_says(digits):
    images, labels = digits
    assert torch.equal(
        inject("labels shuffled", images, labels)[1].bincount(), labels.bincount()
    )
    assert inject("half of the classes", images, labels)[1].unique().tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert len(inject("one image per class", images, labels)[0].unique(dim=0)) == 10
    means, asked = inject("class means", images, labels)
    assert torch.allclose(means[asked == 3][0], images[labels == 3].mean(0))
    plain = torch.full((10, 1, 8, 8), -0.5)
    assert torch.allclose(inject("blur", plain, torch.arange(10))[0], plain)
    assert inject("noise", images, labels)[0].abs().max() <= 1


def test_a_blur_is_half_the_image_and_half_its_neighbourhood():
    dot = torch.zeros(1, 1, 5, 5)
    dot[0, 0, 2, 2] = 0.9
    dot[0, 0, 0, 0] = -0.9  # of no pixel below the neighbour
    blurred, _ = inject("blur", dot, torch.zeros(1, dtype=torch.long))
    assert blurred[0, 0, 2, 2].item() == pytest.approx(0.45 + 0.05)
    assert blurred[0, 0, 1, 3].item() == pytest.approx(0.05)


def test_the_look_alike_has_the_moments_and_not_the_points():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(300, 6, generator=generator, dtype=torch.float64) ** 3
    points[:, 5] = points[:, 4]  # a direction without variance
    other = look_alike(points, generator)
    assert torch.allclose(other.mean(0), points.mean(0))
    assert torch.allclose(other.T.cov(), points.T.cov())
    assert frechet_distance(points, other) < 1e-9 * points.T.cov().trace()
    assert torch.cdist(other, points).min() > 1e-3
    assert torch.allclose(other[:, 4], other[:, 5])


def test_what_cannot_be_doctored_is_refused():
    with pytest.raises(ValueError, match="at least 7"):
        look_alike(torch.zeros(6, 6), torch.Generator())
    with pytest.raises(ValueError, match="choose one of"):
        inject("rust", torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.long))
    with pytest.raises(ValueError, match="class 1"):
        inject("blur", torch.zeros(2, 1, 8, 8), torch.tensor([0, 2]))
