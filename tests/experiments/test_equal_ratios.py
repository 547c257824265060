"""A network asked along another path: the same question, at the same signal-to-noise
ratio.
"""

import pytest
import torch

from dit_lite import DiT, preset
from dit_lite.diffusion import PATHS, diffusion_loss
from dit_lite.diffusion.times import at_ratio
from dit_lite.experiments.diffusion.equal_ratios import SAMPLED_ALONG, Along


def awake(path: str) -> DiT:
    """A network of the noise on a path, whose last layer is not zero."""
    torch.manual_seed(0)
    model = DiT(
        preset("digits", width=16, depth=1, heads=2, path=path, objective="eps")
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize(("own", "other"), [("linear", "ddpm"), ("ddpm", "linear")])
@torch.no_grad()
def test_the_loss_along_another_path_is_that_at_the_times_of_equal_ratio(own, other):
    model, (x0, eps) = awake(own), torch.randn(2, 20, 1, 8, 8)
    y, t = torch.arange(20) % 10, torch.linspace(0.02, 0.99, 20)
    along = diffusion_loss(Along(model, other), x0, y, t, eps)
    there = diffusion_loss(
        model, x0, y, at_ratio(PATHS[own], PATHS[other].log_snr(t)), eps
    )
    torch.testing.assert_close(along, there, rtol=1e-4, atol=1e-5)
    # which is another question
    assert (along - diffusion_loss(model, x0, y, t, eps)).abs().max() > 0.01


def test_a_network_is_sampled_only_where_its_path_has_every_ratio():
    for own, others in SAMPLED_ALONG.items():
        for other in set(others) - {own}:
            start = PATHS[other].log_snr(torch.tensor(PATHS[other].first))
            assert at_ratio(PATHS[own], start) < PATHS[own].first
