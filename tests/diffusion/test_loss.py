import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from dit_lite.diffusion import OBJECTIVES, PATHS, diffusion_loss, target, variance_term


def example(config, size: int = 4):
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, size, config.channels, 8, 8, generator=generator).unbind()
    return (
        x0,
        torch.arange(size) % config.num_classes,
        torch.linspace(0.1, 0.9, size),
        eps,
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_is_the_mean_square_of_the_prediction_error(alive, path, objective):
    model = alive(path=path, objective=objective, channels=2)
    x0, y, t, eps = example(model.config)
    error = model(PATHS[path].mix(x0, eps, t), t, y) - target(
        objective, PATHS[path], x0, eps, t
    )
    torch.testing.assert_close(
        diffusion_loss(model, x0, y, t, eps), error.square().mean((1, 2, 3))
    )


def posterior(i: int):
    """Bounds of the variance of q(x_{i-1} | x_i, x0), and the weights of x0 and x_i
    in its mean, from the betas (2006.11239 eq. 6, 7).
    """
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64).tolist()
    now = math.prod(1 - beta for beta in betas[: i + 1])
    before = math.prod(1 - beta for beta in betas[:i])
    return (
        (1 - before) / (1 - now) * betas[i],
        betas[i],
        before**0.5 * betas[i] / (1 - now),
        (1 - betas[i]) ** 0.5 * (1 - before) / (1 - now),
        now,
    )


@pytest.mark.parametrize("i", [1, 2, 10, 500, 999])
def test_the_variance_term_is_the_divergence_of_two_gaussians(tiny, i):
    config = tiny(path="ddpm", objective="eps", learn_variance=True)
    x0, output_eps, share, noise = torch.randn(
        4, 3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).unbind()
    small, large, of_x0, of_x, alpha = posterior(i)
    x = alpha**0.5 * x0 + (1 - alpha) ** 0.5 * noise
    x0_pred = (x - (1 - alpha) ** 0.5 * output_eps) / alpha**0.5
    log_variance = math.log(small) + (share + 1) / 2 * (
        math.log(large) - math.log(small)
    )
    q = Normal(of_x0 * x0 + of_x * x, small**0.5)
    p = Normal(of_x0 * x0_pred + of_x * x, (log_variance / 2).exp())
    expected = kl_divergence(q, p).mean((1, 2, 3)) / math.log(2)
    found = variance_term(
        config, torch.cat([output_eps, share], 1), x0, x, torch.full((3,), i / 1000)
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_before_the_first_step_the_variance_term_is_the_likelihood_of_the_image(tiny):
    config = tiny(path="ddpm", objective="eps", learn_variance=True)
    x0, output_eps, share, noise = torch.randn(
        4, 3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).unbind()
    # q has no width here, so the lower bound is that of the next step
    low, high = posterior(1)[0], posterior(0)[1]
    x = (1 - 1e-4) ** 0.5 * x0 + 0.01 * noise
    x0_pred = (x - 0.01 * output_eps) / (1 - 1e-4) ** 0.5
    log_variance = math.log(low) + (share + 1) / 2 * (math.log(high) - math.log(low))
    expected = -Normal(x0_pred, (log_variance / 2).exp()).log_prob(x0).mean(
        (1, 2, 3)
    ) / math.log(2)
    found = variance_term(
        config, torch.cat([output_eps, share], 1), x0, x, torch.zeros(3)
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_the_variance_term_leaves_the_mean_alone(tiny):
    config = tiny(path="ddpm", objective="eps", learn_variance=True)
    x0, _, t, eps = example(config)
    output = torch.randn(
        4, 2, 8, 8, generator=torch.Generator().manual_seed(2)
    ).requires_grad_()
    variance_term(config, output, x0, PATHS["ddpm"].mix(x0, eps, t), t).sum().backward()
    assert not output.grad[:, :1].any()
    assert output.grad[:, 1:].all()


def test_a_learned_variance_adds_its_term_to_the_plain_loss(alive):
    model = alive(path="ddpm", objective="eps", learn_variance=True)
    x0, y, t, eps = example(model.config)
    t = (1000 * t).floor() / 1000  # one of the steps at which the bound is defined
    x = PATHS["ddpm"].mix(x0, eps, t)
    output = model(x, t, y)
    plain = (output[:, :1] - eps).square().mean((1, 2, 3))
    torch.testing.assert_close(
        diffusion_loss(model, x0, y, t, eps),
        plain + variance_term(model.config, output, x0, x, t),
    )


def test_the_variance_term_is_least_at_the_true_spread(tiny):
    """For a denoiser with a known error the best variance is that of the error,
    inside the bounds or at one of them.
    """
    config = tiny(path="ddpm", objective="eps", learn_variance=True)
    x0, eps = torch.randn(
        2, 64, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).unbind()
    t = torch.full((64,), 0.005)
    x = PATHS["ddpm"].mix(x0, eps, t)
    small, large, of_x0, _, alpha = posterior(5)
    eps_pred = eps * (1 - 0.5)  # half of the noise stays unseen
    error = of_x0**2 * (1 - alpha) / alpha * 0.25
    best = (math.log(small + error) - math.log(small)) / (
        math.log(large) - math.log(small)
    ) * 2 - 1
    assert -1 < best < 1
    terms = [
        variance_term(
            config, torch.cat([eps_pred, torch.full_like(eps, best + d)], 1), x0, x, t
        ).mean()
        for d in (-0.2, 0, 0.2)
    ]
    assert terms[1] < min(terms[0], terms[2])


def test_training_goes_in_by_the_door_that_wrappers_watch(alive, batch):
    """DDP, FSDP2 and compile act on `model(...)`, hooks included."""
    model, passed = alive(), []
    model.register_forward_hook(lambda *_: passed.append(1))
    x, t, y = batch(model.config)
    diffusion_loss(model, x, y, t, torch.randn_like(x))
    assert passed == [1]
