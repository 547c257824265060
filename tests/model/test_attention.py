import pytest
import torch
from torch import nn

from dit_lite import record_attention
from dit_lite.config import CHOICES

VARIANTS = [
    *(dict(attention=name) for name in CHOICES["attention"]),
    dict(qk_norm=True),
    dict(position="rope", width=32),
    dict(position="rope", width=32, qk_norm=True),
    dict(conditioning="in_context"),
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_manual_path_equals_the_fused_one(alive, batch, changes):
    model = alive(**changes)
    x, t, y = batch(model.config)
    fused = model(x, t, y)
    with record_attention(model):
        manual = model(x, t, y)
    torch.testing.assert_close(manual, fused, rtol=1e-4, atol=1e-4)
    assert torch.equal(model(x, t, y), fused)  # outside, the fused path runs again


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_recorded_rows_sum_to_one(alive, batch, changes):
    model = alive(**changes)
    config = model.config
    tokens = config.tokens + 2 * (config.conditioning == "in_context")
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
    q, k, v = layer.qkv(x)[0].chunk(3, dim=-1)
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
    assert all(block.attention.show is None for block in model.blocks)


def test_recordings_nest(alive, batch):
    model = alive()
    with record_attention(model) as outer:
        with record_attention(model) as inner:
            model(*batch(model.config))
        assert (len(outer), len(inner)) == (0, 2)
        model(*batch(model.config))
        assert len(outer) == 2


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
        pytest.raises(ValueError, match="Linear has no attention layers to record"),
        record_attention(nn.Linear(1, 1)),
    ):
        pass


def test_normalised_queries_and_keys_make_attention_blind_to_their_scale(alive):
    x = torch.randn(2, 16, 16)
    for norm, same in ((True, True), (False, False)):
        layer = alive(qk_norm=norm).blocks[0].attention
        maps = []
        layer.show = maps.append
        layer(x)
        layer.qkv.weight.data[:32] *= 5
        layer.qkv.bias.data[:32] *= 5
        layer(x)
        assert torch.allclose(*maps, atol=1e-4) == same
