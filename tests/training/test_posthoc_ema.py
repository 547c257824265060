import copy

import pytest
import torch
from torch import nn

from dit_lite.training.posthoc_ema import (
    PowerEMA,
    coefficients,
    exponent,
    profile,
    synthesise,
)

STEPS = 512


class Walk(nn.Module):
    """Weights on a random walk, as those of a model late in training."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(200, dtype=torch.float64))
        self.generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def step(self) -> None:
        self.weights += 0.1 * torch.randn(
            200, generator=self.generator, dtype=torch.float64
        )


@pytest.fixture(scope="module")
def walked():
    model = Walk()
    ema = PowerEMA(model)
    direct = PowerEMA(model, (0.03, 0.07, 0.15, 0.2))
    past = []
    for k in range(1, STEPS + 1):
        model.step()
        past.append(model.weights.detach().clone())
        ema.update()
        direct.update()
        if k % (STEPS // 32) == 0:
            ema.snapshot()
    return model, ema, direct, torch.stack(past)


def test_the_profile_is_what_the_average_did(walked):
    _, ema, _, past = walked
    for length, average in zip(ema.lengths, ema.averages, strict=True):
        assert (profile(length, STEPS, STEPS) @ past - average[0]).abs().max() < 1e-9


@pytest.mark.parametrize("length", [0.05, 0.1, 0.2])
def test_the_length_is_the_standard_deviation_of_the_profile(length):
    weights, place = (
        profile(length, 100_000, 100_000),
        torch.arange(1, 100_001, dtype=torch.float64) / 100_000,
    )
    mean = weights @ place
    assert weights.sum() == pytest.approx(1)
    assert (weights @ (place - mean).square()).sqrt() == pytest.approx(length, rel=1e-3)
    assert mean == pytest.approx(
        (exponent(length) + 1) / (exponent(length) + 2), rel=1e-3
    )


@pytest.mark.parametrize(
    ("length", "share"), [(0.03, 5e-3), (0.07, 1e-3), (0.15, 1e-3), (0.2, 1e-3)]
)
def test_a_made_average_is_the_one_that_was_followed(walked, length, share):
    model, ema, direct, past = walked
    made = synthesise(model, ema, length)
    followed = direct.averages[direct.lengths.index(length)][0]
    assert (made.weights - followed).norm() < share * (past[-1] - followed).norm()


def test_averages_of_the_past_can_be_made(walked):
    model, ema, _, past = walked
    step = STEPS * 3 // 4 + 5  # between two snapshots
    followed = profile(0.1, step, STEPS) @ past
    assert (synthesise(model, ema, 0.1, step).weights - followed).norm() < 0.05 * (
        past[step - 1] - followed
    ).norm()


def test_a_copy_forgets_that_its_original_was_compiled():
    model = torch.nn.Linear(2, 2)
    model.compile(backend=lambda *_: pytest.fail("the compiled form was called"))
    copy.deepcopy(model)(torch.zeros(1, 2))


def test_a_snapshot_is_made_from_itself():
    shares = coefficients([(0.05, 50), (0.1, 50), (0.05, 100), (0.1, 100)], 0.1, 100)
    assert shares.tolist() == pytest.approx([0, 0, 0, 1], abs=1e-8)


def test_impossible_lengths_and_too_few_snapshots_are_refused():
    with pytest.raises(ValueError, match="must lie between"):
        exponent(0.3)
    with pytest.raises(ValueError, match="too few"):
        synthesise(Walk(), PowerEMA(Walk()), 0.1)
