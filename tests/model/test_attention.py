import pytest
import torch
from torch import nn

from dit_lite import record_attention
from dit_lite.config import CHOICES, ConfigError

VARIANTS = [
    *(dict(attention=name) for name in CHOICES["attention"]),
    dict(qk_norm=True),
    dict(position="rope", width=32),
    dict(position="rope", width=32, qk_norm=True),
    dict(conditioning="in_context"),
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_path_written_out_equals_the_fused_one(alive, batch, changes):
    model = alive(**changes)
    x, t, y = batch(model.config)
    before = model(x, t, y)
    for layer in model.modules():
        if hasattr(layer, "fused"):
            layer.fused = False
    torch.testing.assert_close(model(x, t, y), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_recording_changes_no_bit_of_the_answer(alive, batch, changes):
    model = alive(**changes)
    x, t, y = batch(model.config)
    before = model(x, t, y)
    with record_attention(model):
        assert torch.equal(model(x, t, y), before)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_recorded_weights_are_those_that_the_answer_is_made_with(alive, batch, changes):
    model = alive(**changes)
    layer, seen = model.blocks[1].attention, []
    layer.register_forward_hook(lambda *passed: seen.append(passed))
    with record_attention(model) as maps:
        model(*batch(model.config))
    _, inputs, output = seen[0]
    looked = layer.look(*inputs)
    assert torch.equal(looked.weights, maps[1])
    y = (maps[1] @ looked.values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer.out(y), output, rtol=1e-4, atol=1e-4)


def test_cross_attention_is_recorded_on_request(alive, batch):
    caption = dict(condition="caption", vocab_size=7, caption_length=3)
    model = alive(conditioning="cross_attention", **caption)
    x, t, y = batch(model.config)
    with record_attention(model, "cross") as maps:
        model(x, t, y)
    assert [weights.shape for weights in maps] == [(3, 2, 16, 4)] * 2  # time, words
    for weights in maps:
        torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 16))
        shown = (weights > 0).all((1, 2))  # (B, 1 + M)
        assert torch.equal(shown[:, 1:], y != 0)
        assert shown[:, 0].all()


def test_only_a_known_kind_that_is_there_is_recorded(alive):
    with (
        pytest.raises(ConfigError, match=r"kind='both' is not known.*self, cross"),
        record_attention(alive(), "both"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="DiT has no cross-attention layers"),
        record_attention(alive(), "cross"),
    ):
        pass


def test_a_head_can_be_silenced(alive):
    layer, x = alive().blocks[0].attention, torch.randn(2, 5, 16)
    before = layer(x)
    keep = torch.tensor([1.0, 0.0])[:, None, None]
    handle = layer.heads.register_forward_hook(lambda *passed: keep * passed[-1])
    silenced = layer(x)
    handle.remove()
    layer.out.weight.data[:, 8:] = 0  # what head 1 writes is not read
    torch.testing.assert_close(silenced, layer(x))
    assert (silenced - before).abs().max() > 1e-3


@torch.no_grad()
def test_a_compiled_model_is_recorded_too(alive, batch):
    model = alive(depth=1)
    with record_attention(model) as expected:
        model(*batch(model.config))
    model.blocks[0].compile(backend="eager")
    model(*batch(model.config))
    with record_attention(model) as maps:
        model(*batch(model.config))
    assert torch.equal(maps[0], expected[0])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_recorded_rows_sum_to_one(alive, batch, changes):
    model = alive(**changes)
    config = model.config
    tokens = config.tokens + 2 * (config.conditioning == "in_context")  # the prefix
    with record_attention(model) as maps:
        model(*batch(config))
    assert [tuple(weights.shape) for weights in maps] == [
        (3, config.heads, tokens, tokens)
    ] * config.depth
    for weights in maps:
        assert weights.min() >= 0
        torch.testing.assert_close(weights.sum(-1), torch.ones(3, config.heads, tokens))
        assert not weights.requires_grad


def test_attention_equals_a_loop_over_heads_and_tokens(alive):
    layer = alive().blocks[0].attention.double()
    x = torch.randn(1, 5, 16, dtype=torch.float64)
    # head by head: its query, its key, its value
    q, k, v = (
        layer.qkv(x)[0].unflatten(-1, (2, 3, 8))[:, :, i].flatten(1) for i in range(3)
    )
    expected = torch.zeros(5, 16, dtype=torch.float64)
    for head in (slice(0, 8), slice(8, 16)):
        for i in range(5):
            weights = (
                torch.stack([q[i, head] @ k[j, head] for j in range(5)])
                .div(8**0.5)
                .exp()
            )
            expected[i, head] = (
                sum(weights[j] * v[j, head] for j in range(5)) / weights.sum()
            )
    torch.testing.assert_close(layer(x)[0], layer.out(expected))


def test_norms_of_queries_are_fused_in_the_type_of_their_input(alive, recwarn):
    norm, plain, x = (
        alive(qk_norm=True).blocks[0].attention.query_norm,
        nn.RMSNorm(8, eps=1e-6),
        torch.randn(2, 3, 5, 8),
    )
    plain.load_state_dict(norm.state_dict())
    assert torch.equal(norm(x), plain(x))
    torch.set_warn_always(True)  # torch says once what it does not fuse
    try:
        assert norm(x.bfloat16()).dtype == torch.bfloat16
    finally:
        torch.set_warn_always(False)
    assert not recwarn


def test_the_latest_pass_wins(alive, batch):
    model = alive()
    first, second = batch(model.config, seed=1), batch(model.config, seed=2)
    with record_attention(model) as maps:
        model(*first)
        before = [weights.clone() for weights in maps]
        model(*second)
        after = [weights.clone() for weights in maps]
        model(*first)
        assert all(torch.equal(a, b) for a, b in zip(maps, before, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_recording_ends_when_the_block_raises(alive, batch):
    model = alive()
    with pytest.raises(RuntimeError, match="stop"), record_attention(model) as maps:
        raise RuntimeError("stop")
    model(*batch(model.config))
    assert maps == []
    assert not any(block.attention._forward_hooks for block in model.blocks)


def test_recordings_nest(alive, batch):
    model = alive()
    with record_attention(model) as outer:
        with record_attention(model) as inner:
            model(*batch(model.config))
        assert len(outer) == len(inner) == 2
        before = inner[0].clone()
        model(*batch(model.config, seed=2))
    assert torch.equal(inner[0], before)
    assert not torch.equal(outer[0], before)


def test_recording_leaves_gradients_alone(alive, batch):
    model = alive().double()
    x, t, y = batch(model.config)
    gradients = []
    for record in (False, True):
        model.zero_grad()
        if record:
            with record_attention(model):
                model(x.double(), t, y).square().sum().backward()
        else:
            model(x.double(), t, y).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for fused, manual in zip(*gradients, strict=True):
        torch.testing.assert_close(fused, manual, rtol=1e-8, atol=1e-8)


def test_a_model_without_attention_is_refused():
    with (
        pytest.raises(ValueError, match="Linear has no self-attention layers"),
        record_attention(nn.Linear(1, 1)),
    ):
        pass


def test_normalised_queries_and_keys_make_attention_blind_to_their_scale(alive):
    x = torch.randn(2, 16, 16)
    for norm, same in ((True, True), (False, False)):
        layer = alive(qk_norm=norm).blocks[0].attention
        before = layer.look(x).weights
        for p in (layer.qkv.weight, layer.qkv.bias):
            p.data.unflatten(0, (2, 3, 8))[:, :2] *= 5
        assert torch.allclose(layer.look(x).weights, before, atol=1e-4) == same
