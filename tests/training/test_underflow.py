import pytest
import torch

from dit_lite.config import ConfigError
from dit_lite.training.underflow import gradients, largest_safe_scale, moved, underflow


def test_the_share_lost_is_what_rounding_loses():
    generator = torch.Generator().manual_seed(0)
    values = (
        torch.exp(torch.empty(20_000).uniform_(-40, 13, generator=generator))
        * torch.randn(20_000, generator=generator).sign()
    )
    for dtype in (torch.float16, torch.bfloat16):
        found = underflow([values], dtype)
        rounded = values.to(dtype)
        assert found.lost == (rounded == 0).double().mean().item()
        small = (rounded.abs() < torch.finfo(dtype).smallest_normal) & (rounded != 0)
        assert found.subnormal == pytest.approx(small.float().mean().item(), abs=1e-3)
        assert found.overflow == pytest.approx(
            rounded.isinf().float().mean().item(), abs=1e-3
        )
    assert underflow([values], torch.float16).lost > 0.3
    assert underflow([values], torch.bfloat16).lost == 0


def test_loss_scaling_brings_small_gradients_back(alive, batch):
    model = alive(std=0.05)
    x, t, y = batch(model.config)
    (model(x, t, y).square().mean() * 1e-5).backward()
    found = gradients(model)
    scale = largest_safe_scale(found, torch.float16)
    before, after = underflow(found), underflow(found, scale=scale)
    assert before.lost > 0.2 > 10 * after.lost
    assert after.overflow == 0
    assert underflow(found, scale=4 * scale).overflow > 0


def test_a_bf16_weight_of_one_does_not_see_small_updates():
    one = torch.ones(10)
    assert moved(one, torch.full((10,), 1e-4), torch.bfloat16) == 0
    assert moved(one, torch.full((10,), 1e-4), torch.float32) == 1
    assert moved(one, torch.full((10,), 2**-7), torch.bfloat16) == 1


def test_nothing_to_look_at_is_said():
    with pytest.raises(ConfigError, match="backward"):
        underflow([torch.zeros(3)])
