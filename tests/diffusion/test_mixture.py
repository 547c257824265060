"""The exact model of a mixture against torch.distributions, the other closed forms,
and its own samples.
"""

import pytest
import torch
from torch import distributions

from dit_lite.diffusion import (
    PATHS,
    ExactDenoiser,
    GaussianMixture,
    LinearDenoiser,
    sample,
)


def random_mixture(
    J: int = 3, C: int = 2, H: int = 2, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    d = C * H * H
    root = 0.4 * torch.randn(J, d, d, generator=generator, dtype=torch.float64)
    means = torch.randn(J, C, H, H, generator=generator, dtype=torch.float64)
    return (
        means,
        root @ root.mT + 0.1 * torch.eye(d),
        torch.tensor([0, 1, 0]),
        torch.tensor([0.5, 0.3, 0.2]),
    )


def test_its_density_is_that_of_the_mixture():
    means, covariances, classes, shares = random_mixture()
    model = GaussianMixture(means, covariances, classes, shares)
    x = torch.randn(
        5, 2, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    for y, of in ((0, [0, 2]), (1, [1]), (2, [0, 1, 2])):
        parts = distributions.MultivariateNormal(means[of].flatten(1), covariances[of])
        wanted = distributions.MixtureSameFamily(
            distributions.Categorical(shares[of].double()), parts
        ).log_prob(x.flatten(1))
        assert torch.allclose(model.log_density(x, torch.full((5,), y)), wanted)


@pytest.mark.parametrize("path", PATHS)
def test_its_answer_is_the_score_of_the_noised_mixture(path):
    """E[x0 | x_t] = (x_t + s^2 grad log p_t(x_t)) / a, with p_t from
    torch.distributions (Tweedie).
    """
    means, covariances, classes, shares = random_mixture()
    model = GaussianMixture(means, covariances, classes, shares, path)
    x = torch.randn(
        4,
        2,
        2,
        2,
        generator=torch.Generator().manual_seed(2),
        dtype=torch.float64,
        requires_grad=True,
    )
    a, s = PATHS[path].alpha_sigma(torch.tensor(0.4))
    noised = distributions.MultivariateNormal(
        a * means.flatten(1), a**2 * covariances + s**2 * torch.eye(8)
    )
    log_p = distributions.MixtureSameFamily(
        distributions.Categorical(shares.double()), noised
    ).log_prob(x.flatten(1))
    (score,) = torch.autograd.grad(log_p.sum(), x)
    found = model(x.detach(), torch.full((4,), 0.4), torch.full((4,), 2))
    assert torch.allclose(found, (x.detach() + s**2 * score) / a, atol=1e-5)


def test_one_gaussian_is_the_linear_denoiser_and_narrow_ones_are_the_data():
    generator = torch.Generator().manual_seed(3)
    images, x, t = (
        torch.randn(200, 1, 2, 2, generator=generator),
        torch.randn(6, 1, 2, 2, generator=generator),
        torch.full((6,), 0.6),
    )
    flat, y = images.flatten(1).double(), torch.zeros(6, dtype=torch.long)
    mean = flat.mean(0)
    one = GaussianMixture(
        mean.view(1, 1, 2, 2),
        ((flat - mean).T @ (flat - mean) / 200)[None],
        torch.tensor([0]),
    )
    assert torch.allclose(
        one(x, t, y), LinearDenoiser(images, one.config)(x, t), atol=1e-5
    )
    narrow = GaussianMixture(
        images[:9],
        1e-10 * torch.eye(4).expand(9, 4, 4),
        torch.zeros(9, dtype=torch.long),
    )
    assert torch.allclose(
        narrow(x, t, y),
        ExactDenoiser(images[:9], PATHS["linear"])(x, 0.6).x0,
        atol=1e-4,
    )


def test_a_linear_denoiser_that_is_told_the_class_knows_its_mean():
    generator = torch.Generator().manual_seed(0)
    rest = torch.randn(40, 1, 2, 2, generator=generator)
    # two classes that differ in their mean alone
    images = torch.cat([1 + rest, -2 + rest])
    labels = torch.arange(2).repeat_interleave(40)
    flat = (rest - rest.mean(0)).flatten(1).double()
    truth = GaussianMixture(
        torch.stack([1 + rest.mean(0), -2 + rest.mean(0)]),
        (flat.T @ flat / 40).expand(2, 4, 4),
        torch.arange(2),
    )
    x, t, y = (
        torch.randn(6, 1, 2, 2, generator=generator),
        torch.linspace(0.1, 0.9, 6),
        torch.tensor([0, 1, 1, 0, 1, 0]),
    )
    assert torch.allclose(
        LinearDenoiser(images, truth.config, labels)(x, t, y), truth(x, t, y), atol=1e-5
    )


def test_sampling_from_it_and_drawing_from_it_agree():
    means, covariances, classes, shares = random_mixture()
    model = GaussianMixture(means, covariances, classes, shares)
    y = torch.arange(2).repeat(4000)
    sampled = sample_units(model, y).double().flatten(1)
    for k in (0, 1):
        of = classes == k
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            drawn = distributions.MixtureSameFamily(
                distributions.Categorical(shares[of].double()),
                distributions.MultivariateNormal(means[of].flatten(1), covariances[of]),
            ).sample((4000,))
        assert torch.allclose(drawn.mean(0), sampled[y == k].mean(0), atol=0.15)
        assert torch.allclose(drawn.T.cov(), sampled[y == k].T.cov(), atol=0.3)


def sample_units(model, y):
    """Samples that are not clipped to [-1,1]."""
    from dit_lite.diffusion import trajectory

    *_, (_, (_, x, _)) = trajectory(model, y, steps=20, guidance=1.0)
    return x


def test_it_goes_where_a_network_goes():
    images = sample(
        GaussianMixture(*random_mixture()),
        [0, 1, 2],
        steps=3,
        guidance=2.0,
        sampler="dpmpp_2m",
    )
    assert images.shape == (3, 2, 2, 2)
    assert images.isfinite().all()


def test_what_does_not_fit_is_refused():
    means, covariances, classes, shares = random_mixture()
    with pytest.raises(ValueError, match="do not fit"):
        GaussianMixture(means, covariances[:, :4, :4], classes, shares)
    with pytest.raises(ValueError, match="expected all above 0"):
        GaussianMixture(means, 0 * covariances, classes, shares)
