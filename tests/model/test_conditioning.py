import pytest
import torch

from dit_lite import DiT
from dit_lite.model import CONDITIONING, Condition, Modulation, gated, modulate

conditionings = pytest.mark.parametrize("conditioning", CONDITIONING)


@conditionings
def test_the_untrained_model_says_zero(tiny, batch, conditioning):
    model = DiT(tiny(conditioning=conditioning))
    assert not model(*batch(model.config)).any()


def test_an_untrained_adaln_zero_block_is_exactly_the_identity(tiny):
    model = DiT(tiny(conditioning="adaln_zero"))
    x, tokens = torch.randn(2, 16, 16), torch.randn(2, 2, 16)
    for block in model.blocks:
        assert torch.equal(block(x, Condition(tokens, tokens.sum(1))), x)


@pytest.mark.parametrize("conditioning", sorted(set(CONDITIONING) - {"adaln_zero"}))
def test_only_adaln_zero_starts_as_the_identity(tiny, conditioning):
    block = DiT(tiny(conditioning=conditioning)).blocks[0]
    x, tokens = torch.randn(2, 16, 16), torch.randn(2, 2, 16)
    assert (block(x, Condition(tokens, tokens.sum(1))) - x).abs().max() > 1e-2


@conditionings
@pytest.mark.parametrize("changes", [dict(), dict(qk_norm=True, position="learned"), dict(null_class=False)], ids=str)
def test_gradient_reaches_every_parameter_within_a_few_steps(tiny, batch, conditioning, changes):
    torch.manual_seed(0)
    model = DiT(tiny(conditioning=conditioning, **changes))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    x, t, _ = batch(model.config, size=4)
    y = torch.arange(4) % len(model.condition.label.weight)
    reached = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in model.named_parameters()}
    for _ in range(4):
        optimiser.zero_grad()
        (model(x, t, y) - x).square().mean().backward()
        for name, p in model.named_parameters():
            assert p.grad is not None, name
            reached[name] |= p.grad != 0
        optimiser.step()
    for name, entries in reached.items():
        # The key's bias shifts a row of logits by one number, which the softmax ignores: its gradient is rounding noise.
        assert entries.any(), name
        rows = entries if entries.ndim == 1 else entries.any(1)
        assert "qkv.bias" in name or rows.all(), name


@conditionings
def test_time_and_class_change_the_answer(alive, batch, conditioning):
    model = alive(conditioning=conditioning)
    x, t, y = batch(model.config)
    base = model(x, t, y)
    assert (model(x, (t + 0.5) % 1, y) - base).abs().amax((1, 2, 3)).min() > 1e-3
    assert (model(x, t, (y + 1) % 4) - base).abs().amax((1, 2, 3)).min() > 1e-3


@conditionings
def test_an_image_does_not_depend_on_its_batch(alive, batch, conditioning):
    model = alive(conditioning=conditioning)
    x, t, y = batch(model.config, size=4)
    torch.testing.assert_close(torch.cat([model(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(4)]), model(x, t, y), rtol=1e-4, atol=1e-4)


def test_modulation_scales_by_one_plus_scale_and_shifts():
    x, shift, scale = torch.randn(2, 5, 3), torch.randn(2, 1, 3), torch.randn(2, 1, 3)
    torch.testing.assert_close(modulate(x, shift, scale), x * (1 + scale) + shift)
    torch.testing.assert_close(gated(x, scale, x + 1), x + scale * (x + 1))


def test_modulation_gives_n_vectors_of_the_condition():
    modulation = Modulation(4, 3)
    c = torch.randn(2, 4)
    flat = modulation[1](torch.nn.functional.silu(c))
    assert torch.equal(torch.cat(modulation(c), dim=-1)[:, 0], flat)
    modulation.zero()
    assert not any(part.any() for part in modulation(c))
