"""One run, however many processes: gradients, weights, losses and norms."""

import functools

import pytest
import torch
from processes import run
from runs import both, example, gradients

from dit_lite.diffusion.loss import diffusion_loss


@functools.cache
def one_process(**changes):
    model, x, y, t, eps = example(**changes)
    loss = diffusion_loss(model, x, y, t, eps).mean()
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    return loss.detach(), found


@functools.cache
def one_run(batch_size: int):
    return run(1, both, None, {"batch_size": batch_size}, group=False)[0]


def equal_runs(ranks, expected):
    """Every rank's weights, losses and norms against those of one process."""
    for kind, tolerance in (("sgd", 1e-6), ("adamw", 1e-9)):
        weights, steps = expected[kind]
        for rank in ranks:
            found, own_steps = rank[kind]
            assert found.keys() == weights.keys()
            for name, value in weights.items():
                error = (found[name] - value).norm()
                assert error <= tolerance * max(1, value.norm()), name
            for own, whole in zip(own_steps, steps, strict=True):
                assert own == pytest.approx(whole, rel=max(tolerance, 1e-6))


VARIANTS = [
    ("ddp", 2, {}),
    ("fsdp", 2, {}),
    ("tp=2", 2, {}),
    ("tp=2", 2, dict(conditioning="adaln_shared")),
    ("tp=2", 2, dict(conditioning="cross_attention", qk_norm=True)),
    ("sp=2", 2, {}),
    ("sp=2", 2, dict(conditioning="in_context", position="rope", attention="local")),
    ("sp=2", 2, dict(attention="sparsemax", conditioning="cross_attention")),
    ("pp=2", 2, {}),
    ("pp=2,micro=4,schedule=gpipe", 2, dict(conditioning="adaln_shared")),
    ("pp=2", 2, dict(conditioning="in_context", position="rope")),
    ("pp=2", 2, dict(conditioning="cross_attention", position="learned")),
    ("pp=2", 2, dict(depth=3, conditioning="film")),
    ("fsdp,sp=2", 4, {}),
    ("pp=2", 4, {}),
]


@pytest.mark.parametrize(("text", "world", "changes"), VARIANTS, ids=str)
def test_gradients_equal_those_of_one_process(text, world, changes):
    loss, expected = one_process(**changes)
    ranks = run(world, gradients, text, changes)
    found = {name: g for rank in ranks for name, g in rank[2].items()}
    assert found.keys() == expected.keys()
    norm = torch.nn.utils.get_total_norm(expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-12)
    mean = sum(rank[0] for rank in ranks) / world
    assert mean.item() == pytest.approx(loss.item(), rel=1e-12)
    for rank in ranks:
        assert rank[1].item() == pytest.approx(norm.item(), rel=1e-10)


@pytest.mark.parametrize(
    ("text", "checkpointing"),
    [("fsdp", "block"), ("tp=2", "block"), ("sp=2", "sqrt"), ("pp=2", "sqrt")],
)
def test_recomputing_on_two_devices_changes_nothing(text, checkpointing):
    changes = dict(depth=4)
    _, expected = one_process(**changes)
    ranks = run(2, gradients, text, changes, checkpointing)
    found = {name: g for rank in ranks for name, g in rank[2].items()}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "world", "batch_size"),
    [
        ("ddp", 2, 8),
        ("ddp", 4, 10),
        ("fsdp", 2, 10),
        ("fsdp=2", 4, 8),
        ("tp=2", 2, 8),
        ("sp=2", 2, 8),
        ("pp=2", 2, 8),
        ("fsdp,tp=2", 4, 8),
        ("fsdp,pp=2", 4, 8),
    ],
)
def test_averaged_weights_after_three_steps_equal_one_process(text, world, batch_size):
    """SGD in fp32, and AdamW in float64: in fp32 it amplifies the noise of gradients
    that are zero but for rounding. Batches of ten do not divide by four.
    """
    ranks = run(world, both, text, {"batch_size": batch_size})
    equal_runs(ranks, one_run(batch_size))


@pytest.mark.parametrize("text", ["ddp", "fsdp"])
def test_parts_of_a_batch_one_after_the_other_are_the_same_batch(text):
    """Ten images in two processes in three parts each."""
    equal_runs(run(2, both, text, dict(batch_size=10, accumulate=3)), one_run(10))


def test_parts_of_a_batch_in_one_process_are_the_same_batch():
    changes = dict(batch_size=10, accumulate=4, checkpointing="block")
    equal_runs(run(1, both, None, changes, group=False), one_run(10))
