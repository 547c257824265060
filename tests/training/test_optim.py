from itertools import pairwise

import pytest
import torch

from dit_lite.training import SCHEDULES, learning_rate
from dit_lite.training.optim import OptimiserState, make_adamw, set_rate


def stepped(model, optimiser, steps: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        optimiser.step()


def test_only_matrices_decay(alive):
    model = alive(qk_norm=True, conditioning="additive")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = make_adamw(model, 0.1, 0.5, 0.99)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(
            p.detach(), before[name] * (1 - 0.1 * 0.5 if p.ndim >= 2 else 1)
        )
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(before)


def test_a_step_is_adamw(alive):
    model = alive()
    optimiser = make_adamw(model, 0.01, 0.1, 0.95)
    mine, first, second = model.embed.weight.detach().double().clone(), 0, 0
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 6):
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        g = model.embed.weight.grad.double()
        first, second = 0.9 * first + 0.1 * g, 0.95 * second + 0.05 * g**2
        mine = mine * (1 - 0.01 * 0.1) - 0.01 * (first / (1 - 0.9**step)) / (
            (second / (1 - 0.95**step)).sqrt() + 1e-8
        )
        optimiser.step()
    torch.testing.assert_close(
        model.embed.weight.detach().double(), mine, rtol=1e-4, atol=1e-5
    )


def test_the_state_survives_as_named_tensors(alive):
    model, other = alive(), alive()
    optimiser, fresh = (
        make_adamw(model, 0.1, 0.1, 0.99),
        make_adamw(other, 0.1, 0.1, 0.99),
    )
    stepped(model, optimiser, 3)
    other.load_state_dict(model.state_dict())
    saved = OptimiserState(optimiser, model).state_dict()
    OptimiserState(fresh, other).load_state_dict(
        {name: value.clone() for name, value in saved.items()}
    )
    stepped(model, optimiser, 2, seed=1)
    stepped(other, fresh, 2, seed=1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), other.parameters(), strict=True)
    )


def test_the_rate_is_set_for_every_group(alive):
    optimiser = make_adamw(alive(), 0.1, 0.0, 0.99)
    set_rate(optimiser, 0.025)
    assert [group["lr"] for group in optimiser.param_groups] == [0.025, 0.025]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_rises_in_a_line_to_its_peak(schedule):
    rates = [learning_rate(schedule, step, 100, 10) for step in range(10)]
    assert rates == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert learning_rate(schedule, 10, 100, 10) == 1


def test_the_cosine_falls_to_zero_and_the_constant_stays():
    cosine = [learning_rate("cosine", step, 100, 10) for step in range(10, 101)]
    assert cosine[0] == 1
    assert cosine[45] == pytest.approx(0.5)
    assert cosine[-1] == pytest.approx(0)
    assert all(a > b for a, b in pairwise(cosine))
    assert {learning_rate("constant", step, 100, 10) for step in range(10, 100)} == {
        1.0
    }


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (5, 5), (5, 50)])
def test_runs_shorter_than_their_warm_up_have_a_rate(schedule, steps, warmup):
    assert all(
        0 < learning_rate(schedule, step, steps, warmup) <= 1 for step in range(steps)
    )
