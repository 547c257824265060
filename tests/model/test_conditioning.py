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
IDENTITY = ("adaln_zero", "adaln_shared", "adaln_zero_cross", "joint")


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


SHARED = dict(
    conditioning="adaln_zero_cross", condition="caption", vocab_size=6,
    caption_length=3, depth=3,
)  # fmt: skip


def alike(alive, share, **changes):
    """Two models with equal weights, the second without shares."""
    model = alive(**SHARED, global_share=share, **changes)
    plain = alive(**SHARED, **changes)
    left = plain.load_state_dict(model.state_dict(), strict=False)
    assert not left.missing_keys
    return model, plain


@pytest.mark.parametrize("share", [[0, 0.25, 1], "early", "late", "even", "learned"])
def test_shares_scale_the_pooled_condition_and_what_the_tokens_give(
    alive, batch, share
):
    """Block by block: a vector of s times the pooled condition beside the time, and an
    output matrix of cross-attention times 1 - s.
    """
    model, plain = alike(alive, share)
    named = {"early": [1, 0.5, 0], "late": [0, 0.5, 1], "even": [0.5] * 3}
    if share == "learned":
        shares = [torch.sigmoid(block.share.logit) for block in model.blocks]
    else:
        shares = share if isinstance(share, list) else named[share]
    x, t, y = batch(model.config)
    with torch.no_grad():
        tokens, context = plain.begin(x, t, y)
        found = plain.condition.caption(y)
        for block, s in zip(plain.blocks, shares, strict=True):
            block.cross.out.weight *= 1 - s
            block.cross.out.bias *= 1 - s
            vector = context.vector + s * found.vector
            tokens = block(tokens, context._replace(vector=vector))
        torch.testing.assert_close(model(x, t, y), plain.finish(tokens, context))


def test_a_share_of_nothing_is_cross_attention_alone_and_one_of_all_is_adaln_zero(
    alive, batch
):
    model, plain = alike(alive, [0.0] * 3)
    inputs = batch(model.config)
    torch.testing.assert_close(model(*inputs), plain(*inputs))
    model, _ = alike(alive, [1.0] * 3)
    x, t, y = inputs
    pooled = alive(**SHARED | dict(conditioning="adaln_zero"))
    pooled.load_state_dict(
        {k: v for k, v in model.state_dict().items() if "cross" not in k}
    )
    with torch.no_grad():
        tokens, context = pooled.begin(x, t, y)  # its vector is time and condition
        for block in pooled.blocks:
            tokens = block(tokens, context)
        time = pooled.condition.time(t)
        wanted = pooled.finish(tokens, context._replace(vector=time))
        torch.testing.assert_close(model(x, t, y), wanted)


def test_learned_shares_begin_at_a_half_and_are_moved(tiny, batch):
    model = DiT(tiny(**SHARED, global_share="learned"))
    assert [block.share().item() for block in model.blocks] == [0.5] * 3
    x, t, y = batch(model.config)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(4):
        optimiser.zero_grad()
        (model(x, t, y) - x).square().mean().backward()
        optimiser.step()
    assert all(block.share.logit.grad.abs() > 0 for block in model.blocks)
    assert all(block.share().item() != 0.5 for block in model.blocks)


@pytest.mark.parametrize("share", ["even", "learned"])
def test_parameters_and_multiply_adds_of_shares_are_counted(tiny, share):
    from dit_lite.analysis import count_macs, flops

    config = tiny(**SHARED, global_share=share)
    model, cost = DiT(config), flops(config)["total"]
    assert cost.parameters == sum(p.numel() for p in model.parameters())
    assert cost.macs == count_macs(model).forward


JOINT = dict(
    conditioning="joint", condition="caption", vocab_size=6, caption_length=3,
    width=32, depth=2,
)  # fmt: skip
VARIANTS = [
    dict(), dict(position="rope"), dict(qk_norm=True), dict(attention="sparsemax"),
]  # fmt: skip


def dense_joint(block, words, x, vector, seen, rotation):
    """A block of MM-DiT by the equations of 2403.03206 sec. 4, one head and one image
    after the other, in float64.
    """
    attention, (M, N) = block.attention, (words.shape[1], x.shape[1])
    h, d = attention.qkv.weight.shape[0] // 3 // attention.head_width, x.shape[2]

    def normalise(z):
        centred = z - z.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()

    def six(modulation):
        c = vector / (1 + (-vector).exp())
        return (c @ modulation[1].weight.T + modulation[1].bias).chunk(6, 1)

    def projected(linear, z):  # (B, tokens, 3 h d_h) -> three of (B, h, tokens, d_h)
        rows = linear.weight.view(h, 3, d // h, d)
        bias = linear.bias.view(h, 3, 1, d // h)
        return [z[:, None] @ rows[:, i].mT + bias[:, i] for i in range(3)]

    def rms(z, norm):
        if isinstance(norm, torch.nn.Identity):
            return z
        return z / (z.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight

    a, b = six(block.modulation), six(block.words_modulation)
    one = [v[:, None] for v in a], [v[:, None] for v in b]
    a, b = one
    image = projected(attention.qkv, (1 + a[1]) * normalise(x) + a[0])
    text = projected(attention.words_qkv, (1 + b[1]) * normalise(words) + b[0])
    q = torch.cat([rms(text[0], attention.words_query_norm),
                   rms(image[0], attention.query_norm)], 2)  # fmt: skip
    k = torch.cat([rms(text[1], attention.words_key_norm),
                   rms(image[1], attention.key_norm)], 2)  # fmt: skip
    if rotation is not None:
        cos, sin = rotation
        half = d // h // 2
        q, k = (
            z * cos + torch.cat([-z[..., half:], z[..., :half]], -1) * sin
            for z in (q, k)
        )
    logits = q @ k.mT / (d // h) ** 0.5
    logits[~seen.expand_as(logits)] = -torch.inf
    y = attention.weighting(logits) @ torch.cat([text[2], image[2]], 2)
    y = y.transpose(1, 2).reshape(len(x), M + N, d)
    words = words + b[2] * attention.words_out(y[:, :M])
    x = x + a[2] * attention.out(y[:, M:])
    words = words + b[5] * block.words_mlp((1 + b[4]) * normalise(words) + b[3])
    return words, x + a[5] * block.mlp((1 + a[4]) * normalise(x) + a[3])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_joint_attention_equals_a_dense_reference(alive, changes):
    model = alive(**JOINT | changes).double()
    g = torch.Generator().manual_seed(0)
    words, x, vector = (
        torch.randn(2, n, 32, dtype=torch.float64, generator=g) for n in (3, 16, 1)
    )
    mask = torch.tensor([[True] * 3, [True, False, False]])
    context = Context(vector[:, 0], words, mask, prefix=3)
    rotation = model.position.rotation(3)
    context = context._replace(rotation=rotation, mask=model.patterns(context)[0])
    found = model.blocks[0](torch.cat([words, x], 1), context)
    seen = torch.cat([mask, torch.ones(2, 16, dtype=torch.bool)], 1)[:, None, None]
    expected = dense_joint(model.blocks[0], words, x, vector[:, 0], seen, rotation)
    torch.testing.assert_close(found, torch.cat(expected, 1), rtol=0, atol=1e-9)


def test_the_last_joint_block_changes_the_image_alone(alive):
    """It does what a whole block does to the image, and nothing to the words."""
    model = alive(**JOINT).double()
    last, whole = model.blocks[1], model.blocks[0]
    for name, value in whole.state_dict().items():
        if name in (own := last.state_dict()):
            rows = own[name].shape[0]
            if "words_qkv" in name:  # keys and values of each head
                value = value.unflatten(0, (2, 3, -1))[:, 1:].flatten(0, 2)
            own[name].copy_(value[:rows])
    tokens = torch.randn(2, 19, 32, dtype=torch.float64)
    context = Context(torch.randn(2, 32, dtype=torch.float64), tokens, prefix=3)
    found = last(tokens, context)
    assert torch.equal(found[:, :3], tokens[:, :3])
    torch.testing.assert_close(found[:, 3:], whole(tokens, context)[:, 3:])


def test_the_image_part_of_a_row_of_joint_attention_is_no_distribution(alive, batch):
    """A row sums to 1 over words and patches together."""
    from dit_lite import record_attention

    model = alive(**JOINT)
    with record_attention(model) as maps:
        model(*batch(model.config))
    first, last = maps
    N, M = model.config.tokens, 3
    assert first.shape[-2:] == (M + N, M + N)
    assert last.shape[-2:] == (N, M + N)
    for weights in maps:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert weights[:, :, -N:, :M].sum(-1).min() < 0.5


def test_words_of_joint_see_the_image_and_words_of_cross_attention_do_not(alive, batch):
    """What the second block reads of the words depends on the image, or does not."""
    for conditioning, depends in (("joint", True), ("adaln_zero_cross", False)):
        model = alive(**JOINT | dict(conditioning=conditioning))
        x, t, y = batch(model.config)
        layer = model.blocks[1]
        layer = layer.attention.words_qkv if depends else layer.cross.key_value
        seen = []
        layer.register_forward_hook(lambda _, inputs, out, seen=seen: seen.append(out))
        model(x, t, y), model(-x, t, y)
        assert torch.equal(*seen) != depends
