import pytest
import torch

from dit_lite.training import EMA
from dit_lite.training.ema import reach


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_average_is_the_formula_in_a_loop(alive, decay):
    model = alive()
    ema = EMA(model, decay)
    expected = [p.detach().double().clone() for p in model.parameters()]
    generator = torch.Generator().manual_seed(0)
    for s in range(30):
        for p in model.parameters():
            p.data += torch.randn(p.shape, generator=generator)
        d = min(decay, (1 + s) / (10 + s))
        expected = [
            d * average + (1 - d) * p.detach().double()
            for average, p in zip(expected, model.parameters(), strict=True)
        ]
        ema.update()
    assert ema.updates == 30
    for average, exact in zip(ema.model.parameters(), expected, strict=True):
        torch.testing.assert_close(average.double(), exact, rtol=1e-4, atol=1e-4)


def test_the_average_is_another_model_that_needs_no_gradient(alive):
    model = alive().train()
    ema = EMA(model, 0.9)
    assert not ema.model.training
    assert not any(p.requires_grad for p in ema.model.parameters())
    assert not {p.data_ptr() for p in model.parameters()} & {
        p.data_ptr() for p in ema.model.parameters()
    }


def test_an_average_reaches_back_no_further_than_its_decay_had_risen():
    assert reach(0.999) == pytest.approx(1000)
    assert reach(0.999, 10_000) == pytest.approx(1000)
    assert reach(0.999, 10) == pytest.approx(19 / 9)  # the last decay was 10/19
    assert reach(0.999, 1) == pytest.approx(10 / 9)
