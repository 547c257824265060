import copy

import pytest
import torch
import torch.distributed as dist
from processes import run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dit_lite.config import ConfigError
from dit_lite.distributed.compression import PowerSGD, Rounded, TopK


def problem():
    """A linear map to be found: weights (8, 24), every rank with images of its own."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(24, 8)
    truth = torch.randn(24, 8, generator=generator)
    generator.manual_seed(1 + dist.get_rank())
    x = torch.randn(64, 24, generator=generator)
    return model, x, x @ truth


def gradients(makers):
    """For every hook: this rank's first mean gradient, the exact one, and the bytes."""
    found = []
    for make in makers:
        torch.manual_seed(0)
        model, x, y = problem()
        plain = copy.deepcopy(model)
        hook = make[0](**make[1])
        wrapped = DistributedDataParallel(model)
        hook.attach(wrapped)
        (wrapped(x) - y).square().mean().backward()
        (plain(x) - y).square().mean().backward()
        for p in plain.parameters():
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()
        found.append((model.weight.grad, plain.weight.grad, hook.sent, hook.full))
    return found


def learned(makers):
    """For every hook, or None: this rank's loss at the end, and the weights."""
    return [fit(make) for make in makers]


def fit(make, steps=120, lr=0.1):
    torch.manual_seed(0)
    model, x, y = problem()
    wrapped = DistributedDataParallel(model)
    if make is not None:
        make[0](**make[1]).attach(wrapped)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (wrapped(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    return loss.item(), model.weight.detach()


FULL = 4 * (8 * 24 + 8)
OFF = dict(feedback=False)


def test_hooks_send_what_they_say_and_lose_what_they_must():
    makers = [
        (Rounded, dict(dtype=torch.bfloat16)),
        (Rounded, dict(dtype=torch.float16)),
        (TopK, dict(share=1.0)),
        (TopK, dict(share=0.1)),
        (PowerSGD, dict(rank=8)),
        (PowerSGD, dict(rank=2)),
    ]
    ranks = run(2, gradients, makers)
    sent = [entry[2] for entry in ranks[0]]
    k = round(0.1 * 200)
    assert sent == [
        FULL // 2,
        FULL // 2,
        FULL // 4 * 12,
        k * 12,
        FULL,
        4 * 2 * (8 + 24) + 4 * 8,
    ]
    for first, second in zip(*ranks, strict=True):
        assert torch.equal(first[0], second[0])
        assert first[3] == FULL
    error = [
        ((got - exact).norm() / exact.norm()).item() for got, exact, *_ in ranks[0]
    ]
    assert 0 < error[0] < 2**-7
    assert 0 < error[1] < 2**-10
    assert error[2] < 1e-6
    assert 0.1 < error[3] < 1
    assert error[4] < 1e-6
    assert 0.1 < error[5] < 1


def test_what_was_left_out_comes_later_only_with_feedback():
    """Without feedback the largest entries alone are learned, or another point."""
    hooks = [(TopK, dict(share=0.05)), (PowerSGD, dict(rank=1))]
    makers = [(kind, how | more) for kind, how in hooks for more in ({}, OFF)]
    (exact, truth), *ends = run(2, learned, [None, *makers])[0]
    for (kind, _), (with_it, found), (without, _) in zip(
        hooks, ends[::2], ends[1::2], strict=True
    ):
        assert with_it < 1.5 * exact + 1e-3, kind
        assert (found - truth).norm() < 0.1 * truth.norm()
        if kind is TopK:
            assert without > 2 * with_it


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="share=0"):
        TopK(share=0)
    with pytest.raises(ConfigError, match="rank=0"):
        PowerSGD(rank=0)
