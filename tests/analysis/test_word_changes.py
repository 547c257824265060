"""Words taken away, reweighted, and maps replaced, each against its definition."""

from __future__ import annotations

import pytest
import torch

from dit_lite import DiT, DiTConfig, record_attention, sample
from dit_lite.analysis import change_words, other_words
from dit_lite.model.attention import CrossAttention

CONFIG = DiTConfig(
    image_size=8, channels=1, patch_size=2, width=16, depth=2, heads=2,
    conditioning="adaln_zero_cross", condition="caption", vocab_size=7,
    caption_length=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> DiT:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DiT(CONFIG)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


X = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
T = torch.tensor([0.6])
WORDS = torch.tensor([[3, 1, 5, 0]])
NULL = torch.zeros_like(WORDS)


def maps_of(model: DiT, y: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad(), record_attention(model, "cross") as maps:
        model(X.expand(len(y), -1, -1, -1), T.expand(len(y)), y)
    return [layer.clone() for layer in maps]


@torch.no_grad()
def changed(model: DiT, y=WORDS, **changes):
    with change_words(model, **changes) as maps:
        output = model(X.expand(len(y), -1, -1, -1), T.expand(len(y)), y)
    return output, maps


def close(one, other) -> None:
    torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_a_word_taken_away_is_a_masked_token(model, monkeypatch):
    """The same as a token mask that is False there, in every layer."""
    seen = torch.tensor([True, False, True, True])
    found, maps = changed(model, seen=seen)
    plain = CrossAttention.forward
    monkeypatch.setattr(
        CrossAttention,
        "forward",
        lambda self, x, tokens, mask: plain(self, x, tokens, mask & seen),
    )
    close(found, model(X, T, WORDS))
    for layer in maps:
        assert not layer[..., 1].any()
        close(layer.sum(-1), torch.ones(1, 2, 16))


def test_a_factor_multiplies_the_weights_of_its_word_alone(model):
    """A block of one layer, whose weights are not changed by a layer before it."""
    own = maps_of(model, WORDS)[0]
    factors = torch.tensor([1.0, 3.0, 0.5, 1.0])
    _, maps = changed(model, factors=factors)
    close(maps[0], own * factors)
    close(maps[0].sum(-1), 1 + 2 * own[..., 1] - 0.5 * own[..., 2])


@torch.no_grad()
def test_the_changed_weights_reach_the_output(model):
    """The branch written out with the reported weights."""
    layer, factors = model.blocks[0].cross, torch.tensor([1.0, 4.0, 0.0, 1.0])
    inputs = []
    handle = layer.register_forward_pre_hook(lambda _, given: inputs.append(given))
    outputs = []
    with change_words(model, factors=factors) as maps:
        late = layer.register_forward_hook(lambda *given: outputs.append(given[2]))
        model(X, T, WORDS)
    handle.remove()
    late.remove()
    tokens = inputs[0][1]
    values = layer.key_value(tokens).view(1, 4, 2, 2, 8)[:, :, :, 1]  # (B, M, h, d_h)
    found = torch.einsum("bhnm,bmhd->bnhd", maps[0], values).flatten(2)
    close(outputs[0], layer.out(found))


def test_nothing_changes_where_nothing_is_changed(model):
    ones = torch.ones(4)
    close(changed(model, seen=ones.bool(), factors=ones)[0], changed(model)[0])
    with torch.no_grad():
        close(changed(model)[0], model(X, T, WORDS))
    close(changed(model, maps=maps_of(model, WORDS))[0], changed(model)[0])


def test_maps_of_another_caption_are_used_with_the_new_words(model):
    other = torch.tensor([[3, 2, 5, 0]])
    given = maps_of(model, WORDS)
    found, maps = changed(model, other, maps=given)
    for layer, source in zip(maps, given, strict=True):
        close(layer, source)
    plain, _ = changed(model, other)
    assert (found - plain).abs().max() > 1e-3
    taken = torch.tensor([True, False, True, True])
    _, maps = changed(model, other, maps=given, seen=taken)
    expected = given[0] * taken
    close(maps[0], expected / expected.sum(-1, keepdim=True))


def test_images_without_a_caption_are_left_alone(model):
    both = torch.cat([WORDS, NULL])
    seen, factors = torch.tensor([False, True, True, True]), torch.full((4,), 2.0)
    found, _ = changed(model, both, seen=seen, factors=factors)
    with torch.no_grad():
        plain = model(X.expand(2, -1, -1, -1), T.expand(2), both)
    close(found[1], plain[1])
    assert (found[0] - plain[0]).abs().max() > 1e-3


def test_a_guided_walk_hears_the_change_and_then_no_more(model):
    ask = dict(labels=WORDS, steps=3, guidance=2.0)
    before = sample(model, **ask)
    with change_words(model, factors=[1, 5, 1, 1]):
        louder = sample(model, **ask)
    assert (louder - before).abs().max() > 1e-3
    assert torch.equal(sample(model, **ask), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seen": [False] * 4}, "removes every word; use the null caption"),
        ({"seen": [1, 0, 1, 1]}, "seen has dtype torch.int64 .* one bool"),
        ({"seen": [True]}, "seen has 1 entries for captions of M=4"),
        ({"factors": [1.0, -1.0, 1.0, 1.0]}, "factors=.*-1.0.* of at least 0"),
        ({"factors": [1.0, float("nan"), 1.0, 1.0]}, "one finite number"),
        ({"factors": [1.0]}, "factors has 1 entries for captions of M=4"),
        ({"maps": []}, "maps has 0 layers; the model has 2"),
        ({"maps": [torch.ones(2, 16, 3)] * 2}, r"maps\[0\] has shape \(2, 16, 3\)"),
    ],
)
def test_errors_name_the_argument(model, changes, message):
    with pytest.raises(ValueError, match=message):
        changed(model, **changes)


def test_a_model_without_words_is_refused(tiny):
    with (
        pytest.raises(ValueError, match=r"condition='label' .* a caption model"),
        change_words(DiT(tiny())),
    ):
        pass


OTHER = torch.tensor([[2, 6, 0, 0]])


@torch.no_grad()
def read_by_layer(model: DiT, layers, y=WORDS, other=OTHER):
    """The network block by block, each with the caption that it is to read."""
    x, t = X.expand(len(y), -1, -1, -1), T.expand(len(y))
    tokens, own = model.begin(x, t, y)
    _, new = model.begin(x, t, other)
    for i, block in enumerate(model.blocks):
        tokens = block(tokens, new if i in layers else own)
    return model.finish(tokens, own)


@pytest.mark.parametrize("layers", [[], [0], [1], [0, 1]])
def test_a_layer_that_reads_another_caption_is_one_in_another_network(model, layers):
    with torch.no_grad():
        with other_words(model, layers, OTHER):
            found = model(X, T, WORDS)
        plain, swapped = model(X, T, WORDS), model(X, T, OTHER)
    close(found, read_by_layer(model, layers))
    if layers in ([], [0, 1]):
        close(found, swapped if layers else plain)
    else:
        assert min((found - one).abs().max() for one in (plain, swapped)) > 1e-3


def test_no_caption_stays_no_caption_in_every_layer(model):
    both = torch.cat([WORDS, NULL])
    pictures, times = X.expand(2, -1, -1, -1), T.expand(2)
    with torch.no_grad():
        with other_words(model, [0, 1], OTHER):
            found = model(pictures, times, both)
        close(found[1], model(pictures, times, both)[1])
        close(found[0], model(X, T, OTHER)[0])


def test_layers_and_captions_that_are_not_there_are_named(model):
    with pytest.raises(ValueError, match=r"there is no layer 2; .* 0 to 1"):
        other_words(model, [2], OTHER).__enter__()
    with (
        pytest.raises(
            ValueError, match="y has 1 captions for a call with 2 captioned images"
        ),
        other_words(model, [0], OTHER),
    ):
        model(X.expand(2, -1, -1, -1), T.expand(2), WORDS.expand(2, -1))
    labelled = DiT(DiTConfig(image_size=8, conditioning="cross_attention"))
    with pytest.raises(ValueError, match=r"condition='label' .* read words alone"):
        other_words(labelled, [0], OTHER).__enter__()
