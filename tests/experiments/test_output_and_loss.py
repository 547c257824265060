"""Output and loss are two knobs: what a network's output is read as."""

import pytest
import torch

from dit_lite import DiT, preset
from dit_lite.diffusion import diffusion_loss
from dit_lite.experiments.diffusion.output_and_loss import ReadAs

#: the error of one target over that of another: what a weight of the loss does
WEIGHTS = {
    ("eps", "flow"): lambda a, s: 1 / a**2,
    ("x0", "flow"): lambda a, s: 1 / s**2,
    ("eps", "x0"): lambda a, s: (s / a) ** 2,
}


def awake(objective: str) -> DiT:
    """A network whose last layer is not zero."""
    torch.manual_seed(0)
    model = DiT(preset("digits", width=16, depth=1, heads=2, objective=objective))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def losses(output: str, loss: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of the same network read as `output`, taken in `loss`, (B,), and t."""
    generator = torch.Generator().manual_seed(1)
    x0, eps = torch.randn(2, 20, 1, 8, 8, generator=generator)
    y, t = torch.arange(20) % 10, torch.linspace(0.05, 0.95, 20)
    model = ReadAs(awake(loss), output)
    return diffusion_loss(model, x0, y, t, eps), t.double()


@pytest.mark.parametrize("name", ["eps", "x0", "flow"])
@torch.no_grad()
def test_a_network_read_as_what_it_is_has_its_own_loss(name):
    x0, eps = torch.randn(2, 20, 1, 8, 8)
    y, t = torch.arange(20) % 10, torch.linspace(0.05, 0.95, 20)
    plain = diffusion_loss(awake(name), x0, y, t, eps)
    torch.testing.assert_close(
        diffusion_loss(ReadAs(awake(name), name), x0, y, t, eps),
        plain, rtol=1e-4, atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(("output", "loss"), WEIGHTS)
@torch.no_grad()
def test_another_loss_weighs_the_error_of_the_same_output_by_noise_level(output, loss):
    own, t = losses(output, output)
    other, _ = losses(output, loss)
    weight = WEIGHTS[output, loss](1 - t, t)
    torch.testing.assert_close(other.double(), own.double() * weight, rtol=1e-3, atol=0)
