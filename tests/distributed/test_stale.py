import math

import pytest
import torch
import torch.distributed as dist
from processes import run
from torch import nn

from dit_lite.config import ConfigError
from dit_lite.distributed.stale import (
    Delayed,
    LocalSGD,
    largest_stable,
    quadratic_diverges,
    stable_rate,
)


def local(every, steps=6):
    """Weights after some steps on this rank's images, and the bytes sent."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1).double()
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2 * 8, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(2 * 8, 1, generator=generator, dtype=torch.float64)
    if dist.is_initialized():
        part = slice(8 * dist.get_rank(), 8 * dist.get_rank() + 8)
        x, y = x[part], y[part]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    average = LocalSGD(model.parameters(), every) if dist.is_initialized() else None
    for _ in range(steps):
        optimiser.zero_grad()
        (model(x) - y).square().mean().backward()
        optimiser.step()
        if average:
            average.step()
    weights = nn.utils.parameters_to_vector(model.parameters()).detach()
    return weights, average.bytes if average else 0


def test_averaging_every_step_is_data_parallelism_and_less_often_sends_less():
    alone, _ = local(1)
    often, seldom = run(2, local, 1), run(2, local, 3)
    torch.testing.assert_close(often[0][0], alone, rtol=0, atol=1e-14)
    assert torch.equal(seldom[0][0], seldom[1][0])
    assert (seldom[0][0] - alone).norm() > 1e-4
    assert often[0][1] == 3 * seldom[0][1] == 6 * 4 * 8


@pytest.mark.parametrize("delay", [0, 1, 2, 4, 16])
def test_delay_caps_the_rate_as_the_formula_says(delay):
    measured = largest_stable(
        lambda rate: quadratic_diverges(rate, delay), 0.01, 4, digits=1e-3
    )
    assert measured == pytest.approx(stable_rate(delay), rel=0.02)
    assert stable_rate(0) == pytest.approx(2)
    assert stable_rate(1) == pytest.approx(1)
    assert stable_rate(16) == pytest.approx(math.pi / 33, rel=2e-3)


def test_gradients_come_so_many_steps_late():
    p = nn.Parameter(torch.zeros(1))
    late = Delayed([p], 2)
    seen = []
    for i in range(5):
        p.grad = torch.full((1,), float(i))
        ready = late.exchange()
        seen.append((ready, None if p.grad is None else p.grad.item()))
    assert seen == [(False, None), (False, None), (True, 0.0), (True, 1.0), (True, 2.0)]


def test_wrong_numbers_are_refused():
    with pytest.raises(ConfigError, match="every=0"):
        LocalSGD([], 0)
    with pytest.raises(ConfigError, match="delay=-1"):
        stable_rate(-1)
    with pytest.raises(ConfigError, match="is not between"):
        largest_stable(lambda rate: False, 1, 2)
