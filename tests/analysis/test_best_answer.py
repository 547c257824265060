import pytest
import torch

from dit_lite.analysis import ExactVelocity, velocity_loss
from dit_lite.diffusion import PATHS, ExactDenoiser
from dit_lite.evaluation import real_images


@pytest.fixture(scope="module")
def digits():
    images, labels = real_images("train")
    return images[:200], labels[:200]


@pytest.mark.parametrize("t", [0.05, 0.5, 0.95])
def test_the_exact_velocity_is_that_of_the_exact_denoiser(digits, t):
    images, labels = digits
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(10, 1, 8, 8, generator=generator), torch.arange(10)
    times = torch.full((10,), t)
    for asked, known in (
        (None, lambda k: images),
        (labels, lambda k: images[labels == k]),
    ):
        found = ExactVelocity(images, asked)(x, times, y)
        for k in range(10):
            x0 = ExactDenoiser(known(k), PATHS["linear"])(x[k : k + 1], t).x0
            wanted = (x[k : k + 1] - x0) / t
            torch.testing.assert_close(found[k : k + 1], wanted, rtol=1e-4, atol=1e-4)


def test_any_other_scale_has_a_higher_loss_on_the_images_themselves(digits):
    images, labels = digits
    times = [0.1, 0.3, 0.5, 0.7]
    loss = {
        scale: velocity_loss(
            ExactVelocity(images, labels, scale), images, labels, times
        ).mean()
        for scale in (0.5, 0.9, 1, 1.1, 2)
    }
    assert min(loss, key=loss.get) == 1


def test_every_velocity_meets_the_same_noise_at_its_own_time(digits):
    images, labels = digits
    met = []

    def still(x, t, y):
        met.append((x, t))
        return torch.zeros_like(x)

    first, again = (velocity_loss(still, images, labels, [0.2, 0.8]) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(met[0][0], met[2][0])
    assert (met[1][1] == torch.tensor(0.8)).all()
    zero = 1 + images.square().mean()  # E (eps - x0)^2 of independent eps
    torch.testing.assert_close(first, zero.expand(2), rtol=0.05, atol=0)
