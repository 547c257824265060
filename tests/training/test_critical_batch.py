import math

import pytest
import torch

from dit_lite.config import ConfigError
from dit_lite.training.critical_batch import (
    NoiseScale,
    fit_steps,
    gradient_noise,
    noise_scale,
    steps_needed,
)


def test_the_estimate_finds_the_noise_that_was_put_in():
    generator = torch.Generator().manual_seed(0)
    D, images, parts = 200, 4, 16
    true = torch.randn(D, generator=generator)
    norms, traces = [], []
    for _ in range(200):
        noise = 3 * torch.randn(parts, images, D, generator=generator)
        batch = (true + noise).mean(1)  # the gradient of each part
        found = gradient_noise([[g] for g in batch], images)
        norms.append(found.squared_norm)
        traces.append(found.trace)
    expected = NoiseScale(true.square().sum().item(), 9.0 * D)
    assert sum(traces) / 200 == pytest.approx(expected.trace, rel=0.02)
    assert sum(norms) / 200 == pytest.approx(expected.squared_norm, rel=0.02)
    assert NoiseScale(sum(norms), sum(traces)).batch == pytest.approx(
        expected.batch, rel=0.04
    )


def test_two_batch_sizes_give_the_same_number_as_many_parts():
    assert noise_scale([5.0], [2.0], 1, 4) == NoiseScale(1.0, 4.0)
    assert math.isinf(NoiseScale(-0.1, 4.0).batch)
    with pytest.raises(ConfigError, match="two different sizes"):
        noise_scale([1.0], [1.0], 4, 4)


def test_the_critical_batch_is_where_steps_are_twice_the_least():
    batches = [8, 32, 128, 512]
    steps = [steps_needed(B, 100, 1000) for B in batches]
    assert fit_steps(batches, steps) == (pytest.approx(100), pytest.approx(1000))
    assert steps_needed(100, 100, 1000) == 2000
