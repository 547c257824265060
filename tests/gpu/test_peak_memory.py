"""The bytes that the cost table predicts, against what a GPU really allocates."""

import pytest
import torch

from dit_lite import DiT, preset
from dit_lite.analysis import training_cost
from dit_lite.training.ema import EMA
from dit_lite.training.optim import OPTIMISERS

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_peak_of_a_step_is_what_the_table_predicts(gpu, precision, optimiser):
    """Within 10 %: at the end of the forward pass there are weights, moments, average
    and activations, and no gradients yet.
    """
    config, batch = preset("S/4", image_size=64, channels=3, depth=6), 192
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(gpu)
    before = torch.cuda.memory_allocated(gpu)
    model = DiT(config).to(gpu)
    update = OPTIMISERS[optimiser](model, 1e-4, 0.0, 0.99)
    average = EMA(model, 0.99)
    x = torch.randn(batch, 3, 64, 64, device=gpu)
    t, y = torch.rand(batch, device=gpu), torch.zeros(batch, dtype=int, device=gpu)
    for _ in range(3):
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            loss = model(x, t, y).square().mean()
        loss.backward()
        update.step()
        update.zero_grad(set_to_none=True)
        average.update()
    measured = torch.cuda.max_memory_allocated(gpu) - before
    found = training_cost(config, batch, precision=precision, optimiser=optimiser)
    predicted = found["total_memory"] - found["gradients_memory"]
    assert predicted == pytest.approx(measured, rel=0.1)
