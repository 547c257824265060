import math

import pytest
import torch

from dit_lite.diffusion import PATHS, expand

paths = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
# away from the ends, and from the kinks of "ddpm" at i/1000
INSIDE = (torch.arange(50, dtype=torch.float64) * 19 + 20.5) / 1000


@paths
def test_a_path_leads_from_image_to_noise(path):
    t = torch.tensor([path.last, path.first], dtype=torch.float64)
    a, s = path.alpha_sigma(t)
    assert (a[0], s[0]) == (1, 0)
    assert a[1] < 0.007
    assert s[1] > 0.9999
    assert (a.diff() < 0).all()
    assert (path.alpha_sigma(INSIDE)[0].diff() < 0).all()
    assert (path.alpha_sigma(INSIDE)[1].diff() > 0).all()
    assert a.dtype == s.dtype == torch.float64


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_the_straight_and_the_round_path_end_in_pure_noise(name):
    a, s = PATHS[name].alpha_sigma(torch.tensor(1.0))
    assert (a, s) == (0, 1)


@paths
def test_derivatives_are_those_of_autograd(path):
    t = INSIDE.clone().requires_grad_()
    a, s = path.alpha_sigma(t)
    expected = (
        torch.autograd.grad(a.sum(), t, retain_graph=True)[0],
        torch.autograd.grad(s.sum(), t)[0],
    )
    for found, exact in zip(path.derivative(INSIDE), expected, strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-9)


@paths
def test_derivatives_are_finite_differences(path):
    h = 1e-5
    for found, ahead, behind in zip(
        path.derivative(INSIDE),
        path.alpha_sigma(INSIDE + h),
        path.alpha_sigma(INSIDE - h),
        strict=True,
    ):
        torch.testing.assert_close(
            found, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("name", ["cosine", "ddpm"])
def test_the_variance_preserving_paths_preserve_variance(name):
    a, s = PATHS[name].alpha_sigma(torch.linspace(0, 1, 1234, dtype=torch.float64))
    torch.testing.assert_close(a**2 + s**2, torch.ones(1234, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ddpm_table_is_that_of_diffusers_at_t_i_over_1000(dtype):
    from diffusers import DDPMScheduler

    table = DDPMScheduler(
        beta_start=1e-4, beta_end=0.02, beta_schedule="linear"
    ).alphas_cumprod.double()
    a, s = PATHS["ddpm"].alpha_sigma(torch.arange(1000).to(dtype) / 1000)
    torch.testing.assert_close(a**2, table, rtol=1e-5, atol=1e-8)
    # 1 - table loses digits in their float32
    torch.testing.assert_close(s**2, 1 - table, rtol=2e-4, atol=1e-8)


def test_between_the_steps_of_ddpm_the_logarithm_is_linear():
    t = torch.tensor([0.4, 0.4003, 0.401], dtype=torch.float64)
    low, middle, high = PATHS["ddpm"].alpha_sigma(t)[0].log()
    torch.testing.assert_close(middle, 0.7 * low + 0.3 * high)


def test_ddpm_is_defined_at_both_ends_of_the_unit_interval():
    for part in (
        *PATHS["ddpm"].alpha_sigma(torch.tensor([0.0, 1.0])),
        *PATHS["ddpm"].derivative(torch.tensor([0.0, 1.0])),
    ):
        assert part.isfinite().all()


@paths
def test_mixing_takes_an_image_and_noise_in_the_shares_of_each_time(path):
    x0, eps = torch.randn(2, 3, 2, 4, 4).unbind()
    t = torch.tensor([0.0, 0.3, 1.0])
    x = path.mix(x0, eps, t)
    assert x.dtype == torch.float32
    for i in range(3):
        a, s = path.alpha_sigma(t[i])
        torch.testing.assert_close(x[i], (a * x0[i] + s * eps[i]).float())


@paths
def test_the_log_snr_falls_from_infinity(path):
    assert (path.log_snr(INSIDE).diff() < 0).all()
    assert path.log_snr(torch.tensor([path.last]))[0] == math.inf
    a, s = path.alpha_sigma(INSIDE)
    torch.testing.assert_close(path.log_snr(INSIDE).exp(), a**2 / s**2)


def test_expand_shapes_a_value_an_image():
    assert expand(torch.tensor([1.0, 2.0]).double(), torch.zeros(2, 3, 4, 4)).shape == (
        2,
        1,
        1,
        1,
    )
    assert (
        expand(torch.tensor(1.0), torch.zeros(2, 3, dtype=torch.float64)).dtype
        == torch.float64
    )
