import copy

import pytest
import torch

from dit_lite import DiT
from dit_lite.analysis.memory import saved_bytes
from dit_lite.config import ConfigError
from dit_lite.training.memory import (
    checkpoint_blocks,
    compressed,
    offloaded,
    segment_lengths,
)


def backward(model, inputs) -> dict:
    model.zero_grad()
    model(*inputs).square().mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("how", ["block", "sqrt"])
@pytest.mark.parametrize(
    "conditioning", ["adaln_zero", "in_context", "cross_attention", "adaln_shared"]
)
def test_recomputing_changes_no_bit_of_any_gradient(alive, batch, how, conditioning):
    model = alive(depth=5, conditioning=conditioning)
    inputs = batch(model.config)
    plain = backward(model, inputs)
    again = backward(checkpoint_blocks(copy.deepcopy(model), how), inputs)
    assert plain.keys() == again.keys()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_a_copy_recomputes_its_own_blocks(alive, batch):
    model = checkpoint_blocks(alive(depth=3), "sqrt")
    twin = copy.deepcopy(model)
    for p in twin.parameters():
        p.data.mul_(0.5)
    inputs = batch(model.config)
    plain = copy.deepcopy(alive(depth=3))
    for p in plain.parameters():
        p.data.mul_(0.5)
    twins, plains = backward(twin, inputs), backward(plain, inputs)
    assert all(torch.equal(twins[name], plains[name]) for name in plains)
    assert all(p.grad is None for p in model.parameters())


def test_segments_cover_the_depth():
    assert segment_lengths(28, "block") == [1] * 28
    assert segment_lengths(28, "sqrt") == [6, 6, 6, 6, 4]
    assert segment_lengths(16, "sqrt") == [4] * 4
    assert segment_lengths(5, "none") == []


def test_memory_grows_with_the_square_root_of_the_depth(tiny, batch):
    def kept(depth: int, how: str) -> int:
        model = checkpoint_blocks(DiT(tiny(depth=depth)), how)
        inputs = batch(model.config)
        return saved_bytes(lambda: model(*inputs).sum(), model)

    plain = [kept(depth, "none") for depth in (4, 16, 64)]
    block = [kept(depth, "block") for depth in (4, 16, 64)]
    assert plain[2] / plain[1] == pytest.approx(4, rel=0.1)
    assert block[2] < plain[2] / 10
    # forward alone keeps the inputs of the segments: sqrt(64) of them
    sqrt = [kept(depth, "sqrt") for depth in (4, 16, 64)]
    assert sqrt[2] - sqrt[1] < (block[2] - block[1]) / 4


def test_samples_do_not_pay_for_it(alive, batch):
    model = alive(depth=3)
    inputs = batch(model.config)
    with torch.no_grad():
        plain = model(*inputs)
        assert torch.equal(checkpoint_blocks(model, "sqrt")(*inputs), plain)


def test_offloaded_gradients_are_the_same_bits(alive, batch):
    model = alive(width=32)
    inputs = batch(model.config, size=8)
    plain = backward(model, inputs)
    with offloaded(model, least=64) as kept:
        loss = model(*inputs).square().mean()
    model.zero_grad()
    loss.backward()
    assert all(torch.equal(plain[n], p.grad) for n, p in model.named_parameters())
    whole = saved_bytes(lambda: model(*inputs).square().mean(), model)
    assert kept.full >= 0.9 * whole


@pytest.mark.parametrize(
    ("how", "ratio", "cosine"), [("bf16", 2, 0.9999), ("int8", 4, 0.999)]
)
def test_compressed_activations_save_bytes_and_bend_gradients_a_little(
    alive, batch, how, ratio, cosine
):
    model = alive(width=64, std=0.1)
    inputs = batch(model.config, size=8)
    plain = backward(model, inputs)
    with torch.no_grad():
        output = model(*inputs)
    with compressed(model, how, least=64) as kept:
        result = model(*inputs)
    assert torch.equal(result, output)
    model.zero_grad()
    result.square().mean().backward()
    a = torch.cat([g.flatten() for g in plain.values()])
    b = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert not torch.equal(a, b)
    assert torch.cosine_similarity(a, b, 0) > cosine
    assert kept.full / kept.stored == pytest.approx(ratio, rel=0.1)


def test_wrong_ways_are_named(alive):
    with pytest.raises(ConfigError, match="checkpointing='cube'"):
        checkpoint_blocks(alive(), "cube")
    with pytest.raises(ConfigError, match="long_skips=True"):
        checkpoint_blocks(alive(depth=4, long_skips=True), "sqrt")
    with (
        pytest.raises(ConfigError, match="compression='fp8'"),
        compressed(alive(), "fp8"),
    ):
        pass
