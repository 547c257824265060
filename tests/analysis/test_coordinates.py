import pytest
import torch

from dit_lite import ConfigError
from dit_lite.analysis import coordinate_check
from dit_lite.training.optim import OPTIMISERS

WIDTHS = (32, 64, 128, 256)


def slopes(tiny, batch, optimiser: str, **changes) -> dict[str, float]:
    config = tiny(width=32, heads=4, **changes)
    x, t, y = batch(config, 8)
    target = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))

    def step(model):
        update = OPTIMISERS[optimiser](model, 3e-3, 0.0, 0.99)

        def apply(output):
            (output - target).square().mean().backward()
            update.step()
            update.zero_grad()

        return apply

    return coordinate_check(config, WIDTHS, step, (x, t, y), seeds=(0,)).slopes


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_steps_grow_with_the_width_and_with_mup_they_do_not(tiny, batch, optimiser):
    standard = slopes(tiny, batch, optimiser)
    flat = slopes(tiny, batch, optimiser, base_width=32)
    assert "output" in standard
    assert len(standard) == 7
    assert max(abs(s) for s in flat.values()) < 0.18 < min(standard.values())
    # inside the network; what the output gains is bounded by the target
    assert sum(s > 0.4 for s in standard.values()) >= 6, standard


def test_one_width_has_no_slope(tiny, batch):
    with pytest.raises(ConfigError, match="two or more widths"):
        coordinate_check(tiny(), [16], lambda model: None, batch(tiny()))
