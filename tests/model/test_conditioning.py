import pytest
import torch

from dit_lite import DiT
from dit_lite.model import CONDITIONING, Context, Modulation, gated, modulate

conditionings = pytest.mark.parametrize("conditioning", CONDITIONING)


@conditionings
def test_the_untrained_model_says_zero(tiny, batch, conditioning):
    model = DiT(tiny(conditioning=conditioning))
    assert not model(*batch(model.config)).any()


# what claims to begin as the identity
IDENTITY = ("adaln_zero", "adaln_shared", "adaln_zero_cross")


def block_change(model: DiT) -> float:
    """Largest change that the first block of an untrained model makes."""
    x = torch.randn(2, 16, 16)
    context = model.condition(torch.rand(2), torch.tensor([0, 1]))
    context = context._replace(shared=model.shared(context.vector))
    return (model.blocks[0](x, context) - x).abs().max().item()


@pytest.mark.parametrize("conditioning", IDENTITY)
def test_an_untrained_block_with_zero_gates_is_exactly_the_identity(tiny, conditioning):
    assert block_change(DiT(tiny(conditioning=conditioning))) == 0


@pytest.mark.parametrize("conditioning", sorted(set(CONDITIONING) - set(IDENTITY)))
def test_the_others_do_not_start_as_the_identity(tiny, conditioning):
    assert block_change(DiT(tiny(conditioning=conditioning))) > 1e-2


@conditionings
@pytest.mark.parametrize(
    "changes",
    [dict(), dict(qk_norm=True, position="learned"), dict(null_class=False)],
    ids=str,
)
def test_gradient_reaches_every_parameter_within_a_few_steps(
    tiny, batch, conditioning, changes
):
    torch.manual_seed(0)
    model = DiT(tiny(conditioning=conditioning, **changes))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    x, t, _ = batch(model.config, size=4)
    y = torch.arange(4) % len(model.condition.label.weight)
    reached = {
        name: torch.zeros_like(p, dtype=torch.bool)
        for name, p in model.named_parameters()
    }
    for _ in range(4):
        optimiser.zero_grad()
        (model(x, t, y) - x).square().mean().backward()
        for name, p in model.named_parameters():
            assert p.grad is not None, name
            reached[name] |= p.grad != 0
        optimiser.step()
    for name, entries in reached.items():
        # The key's bias shifts a row of logits by one number, which the softmax
        # ignores: its gradient is rounding noise.
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
    torch.testing.assert_close(
        torch.cat([model(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(4)]),
        model(x, t, y),
        rtol=1e-4,
        atol=1e-4,
    )


@conditionings
def test_the_null_class_is_one_more_row_that_only_guidance_asks_for(
    tiny, batch, alive, conditioning
):
    model = alive(conditioning=conditioning)
    x, t, y = batch(model.config)
    none = torch.full_like(y, model.config.num_classes)
    assert (model(x, t, none) - model(x, t, y)).abs().amax((1, 2, 3)).min() > 1e-3
    with pytest.raises(ValueError, match="without a null class"):
        alive(conditioning=conditioning, null_class=False)(x, t, none)


def test_adaln_is_film_on_a_normalised_input(alive):
    block = alive(conditioning="adaln").double().blocks[0]
    x = torch.randn(2, 16, 16, dtype=torch.float64)
    tokens = torch.randn(2, 2, 16, dtype=torch.float64)
    vector = tokens.sum(1)
    beta1, gamma1, beta2, gamma2 = (
        p[:, None]
        for p in block.modulation[1](torch.nn.functional.silu(vector)).chunk(4, dim=1)
    )

    def film(features, gamma, beta):  # 1709.07871 eq. 2, with gamma around one
        return (1 + gamma) * features + beta

    def normalise(features):
        return (features - features.mean(-1, keepdim=True)) / (
            features.var(-1, unbiased=False, keepdim=True) + 1e-6
        ).sqrt()

    h = x + block.attention(film(normalise(x), gamma1, beta1))
    h = h + block.mlp(film(normalise(h), gamma2, beta2))
    torch.testing.assert_close(block(x, Context(vector, tokens)), h, rtol=0, atol=1e-7)


def test_film_scales_and_shifts_what_the_branches_return(alive):
    block = alive(conditioning="film").double().blocks[0]
    x, tokens = (
        torch.randn(2, 16, 16, dtype=torch.float64),
        torch.randn(2, 2, 16, dtype=torch.float64),
    )
    context = Context(tokens.sum(1), tokens)
    block.modulation.zero()
    plain = block(x, context)
    h = x + block.attention(block.norm1(x))
    torch.testing.assert_close(plain, h + block.mlp(block.norm2(h)), rtol=0, atol=1e-12)
    # a scale of minus one silences the attention branch
    block.modulation[1].bias.data[16:32] = -1
    torch.testing.assert_close(
        block(x, context), x + block.mlp(block.norm2(x)), rtol=0, atol=1e-12
    )


def test_cross_attention_equals_that_of_torch(alive):
    ours = alive(conditioning="cross_attention").blocks[0].cross
    theirs = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    for kind in ("weight", "bias"):
        query, key_value = (
            getattr(part, kind) for part in (ours.query, ours.key_value)
        )
        heads = key_value.unflatten(0, (2, 2, 8))  # head, key or value, channel
        rows = torch.cat([query, heads[:, 0].flatten(0, 1), heads[:, 1].flatten(0, 1)])
        getattr(theirs, f"in_proj_{kind}").data = rows.data
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, tokens = torch.randn(2, 9, 16), torch.randn(2, 5, 16)
    padded = torch.tensor([[True] * 5, [True, True, False, True, False]])
    for mask in (None, padded):
        answer, weights = theirs(
            x,
            tokens,
            tokens,
            None if mask is None else ~mask,
            average_attn_weights=False,
        )
        torch.testing.assert_close(ours(x, tokens, mask), answer, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours.look(x, tokens, mask).weights, weights)


def test_shared_modulation_is_computed_once_and_tables_make_the_blocks_differ(
    alive, batch
):
    model = alive(conditioning="adaln_shared")
    calls = []
    model.shared.register_forward_hook(lambda *_: calls.append(1))
    x, t, y = batch(model.config)
    before = model(x, t, y)
    assert len(calls) == 1
    assert not torch.equal(model.blocks[0].own, model.blocks[1].own)
    model.blocks[1].own.data.zero_()
    assert (model(x, t, y) - before).abs().max() > 1e-3


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


@pytest.mark.parametrize("words", [3, 4])
def test_masked_cross_attention_equals_that_of_torch(tiny, words):
    """With padding masked, over a caption of any length."""
    config = tiny(
        condition="caption", vocab_size=6, caption_length=4,
        conditioning="adaln_zero_cross",
    )  # fmt: skip
    torch.manual_seed(0)
    layer = DiT(config).blocks[0].cross
    torch.nn.init.normal_(layer.out.weight)
    D, h = config.width, config.heads
    peer = torch.nn.MultiheadAttention(D, h, batch_first=True)
    rows = layer.key_value.weight.unflatten(0, (h, 2, -1))  # (h, 2, d_h, D)
    keys, values = (rows[:, i].flatten(0, 1) for i in range(2))
    peer.in_proj_weight.data = torch.cat([layer.query.weight, keys, values]).detach()
    peer.out_proj.weight.data = layer.out.weight.detach()
    x, tokens = torch.randn(2, 5, D), torch.randn(2, words, D)
    mask = torch.tensor([[True] * words, [True] * (words - 2) + [False] * 2])
    theirs, weights = peer(x, tokens, tokens, ~mask, average_attn_weights=False)
    torch.testing.assert_close(layer(x, tokens, mask), theirs, atol=1e-6, rtol=1e-5)
    ours = layer.look(x, tokens, mask).weights  # (B, h, N, M)
    torch.testing.assert_close(ours, weights, atol=1e-6, rtol=1e-5)
    assert not ours[1, ..., -2:].any()


def test_time_and_words_reach_the_blocks_of_adaln_zero_cross_apart(tiny):
    """Words through cross-attention alone, time through the vectors alone."""
    config = tiny(
        condition="caption", vocab_size=6, caption_length=3,
        conditioning="adaln_zero_cross",
    )  # fmt: skip
    model = DiT(config)
    x, y = torch.randn(2, config.tokens, config.width), torch.tensor([[1, 2, 0]] * 2)
    told = model.condition(torch.tensor([0.2, 0.8]), y)
    _, context = model.enter(x, told)
    assert torch.equal(context.tokens[0], context.tokens[1])  # the same words
    assert context.tokens.shape == (2, 3, config.width)
    assert context.token_mask.tolist() == [[True, True, False]] * 2
    other = model.condition(torch.tensor([0.2, 0.8]), y.flip(1))
    assert torch.equal(model.enter(x, other)[1].vector, context.vector)
    assert not torch.equal(context.vector[0], context.vector[1])
