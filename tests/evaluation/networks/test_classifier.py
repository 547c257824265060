import numpy as np
import pytest
import torch

from dit_lite.data import Dataset
from dit_lite.evaluation import Classifier, extract, load_extractor, train_classifier
from dit_lite.evaluation.networks.classifier import _shifted


@pytest.fixture(scope="module")
def halves():
    """Noise that is bright above (class 0) or below (class 1)."""
    rng = np.random.default_rng(0)
    images, labels = (
        rng.integers(0, 100, (64, 3, 32, 32), dtype=np.uint8),
        np.arange(64) % 2,
    )
    images[labels == 0, :, :16] += 100
    images[labels == 1, :, 16:] += 100
    return Dataset("halves", images, labels, ("above", "below"))


def test_training_learns_and_repeats_and_leaves_the_global_generator_alone(halves):
    before = torch.get_rng_state()
    first, again = (
        train_classifier(halves, (8, 8, 8), epochs=3, batch_size=16, seed=1)
        for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            first.state_dict().values(), again.state_dict().values(), strict=True
        )
    )
    seen = first(torch.from_numpy(halves.images).float() / 127.5 - 1)
    assert (seen.argmax(1) == torch.from_numpy(halves.labels)).float().mean() > 0.9
    assert not first.training


@pytest.mark.parametrize("size", [32, 64])
def test_features_are_what_the_last_layer_sees(size):
    net = Classifier(3, size, 5, (8, 16, 24)).eval()
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    assert net.features(images).shape == (2, 24)
    assert torch.equal(net.head(net.features(images)), net(images))


def test_a_shift_moves_every_image_by_its_own_whole_pixels():
    x = torch.arange(36.0).view(1, 1, 6, 6).expand(50, 1, 6, 6)
    moved = _shifted(x, torch.Generator().manual_seed(0))
    centre = moved[:, 0, 3, 3] - x[0, 0, 3, 3]
    assert sorted(set(centre.tolist())) == sorted(
        {float(6 * a + b) for a in range(-2, 3) for b in range(-2, 3)}
        & set(centre.tolist())
    )
    assert len(set(centre.tolist())) > 10
    assert (moved[:, 0, 2:4, 2:4] - x[:, 0, 2:4, 2:4] == centre[:, None, None]).all()


@pytest.mark.parametrize(
    ("name", "size", "dimension", "classes"),
    [("cifar10-judge", 32, 192, 10), ("imagenet64-judge", 64, 256, 100)],
)
def test_the_judges_of_photographs_are_no_better_than_chance_on_noise(
    name, size, dimension, classes
):
    noise = (
        torch.rand(200, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2
        - 1
    )
    seen = extract(load_extractor(name), noise)
    assert seen.features.shape == (200, dimension)
    assert (
        seen.probabilities.argmax(1) == torch.arange(200) % classes
    ).float().mean() < 2 / classes
