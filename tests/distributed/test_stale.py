import math

import pytest
import torch
from torch import nn

from dit_lite.config import ConfigError
from dit_lite.distributed.stale import (
    Delayed,
    largest_stable,
    quadratic_diverges,
    stable_rate,
)


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
    with pytest.raises(ConfigError, match="delay=-1"):
        stable_rate(-1)
    with pytest.raises(ConfigError, match="does not lie between"):
        largest_stable(lambda rate: False, 1, 2)
