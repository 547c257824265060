import pytest
import torch

from dit_lite import DiT
from dit_lite.analysis import count_macs, flops
from dit_lite.diffusion import diffusion_loss, sample, trajectory_grid
from dit_lite.model import (
    CONDITIONING,
    CONDITIONS,
    PATTERNS,
    any_condition,
    drop,
    is_null,
    null_like,
    read_condition,
    rungs,
)

KINDS = {
    "label": dict(),
    "caption": dict(condition="caption", vocab_size=7, caption_length=2),
    "features": dict(condition="features", caption_length=3, feature_width=5),
}
kinds = pytest.mark.parametrize("kind", KINDS)
padded = pytest.mark.parametrize("kind", ["caption", "features"])


def test_every_kind_of_condition_is_tried_here():
    assert set(KINDS) == set(CONDITIONS)


@kinds
@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_every_condition_reaches_the_image_by_every_way(
    alive, batch, kind, conditioning
):
    model = alive(conditioning=conditioning, **KINDS[kind])
    x, t, y = batch(model.config)
    answer = model(x, t, y)
    another = (y + 1) % 3 if kind == "label" else y.roll(1, 0)
    for other in (another, null_like(model.config, y)):
        assert (model(x, t, other) - answer).abs().amax((1, 2, 3)).min() > 1e-3


@padded
@pytest.mark.parametrize("conditioning", CONDITIONING)
@pytest.mark.parametrize("attention", PATTERNS)
def test_padding_plays_no_part(alive, batch, kind, conditioning, attention):
    """A caption is the same however much padding stands behind it."""
    sizes = KINDS[kind] | dict(caption_length=6)
    model = alive(conditioning=conditioning, attention=attention, position="rope",
                  width=32, **sizes)  # fmt: skip
    x, t, y = batch(model.config)
    short = torch.where(torch.arange(6).view(6, *[1] * (y.ndim - 2)) < 2, y, 0)
    torch.testing.assert_close(
        model(x, t, short[:, :2]), model(x, t, short), rtol=1e-4, atol=1e-4
    )


@padded
def test_what_stands_in_the_place_of_padding_is_not_read(alive, batch, kind):
    model = alive(conditioning="cross_attention", **KINDS[kind])
    x, t, y = batch(model.config)
    table = model.condition.get_submodule(kind)
    rows = table.word.weight if kind == "caption" else table.null_token
    before = model(x, t, y), model(x, t, null_like(model.config, y))
    (rows[0] if kind == "caption" else rows).data.add_(1)
    assert torch.equal(model(x, t, y), before[0])
    assert not torch.equal(model(x, t, null_like(model.config, y)), before[1])


def test_the_order_of_words_matters_to_those_who_look_at_them(alive, batch):
    for conditioning, matters in (("cross_attention", True), ("adaln_zero", False)):
        model = alive(conditioning=conditioning, **KINDS["caption"])
        x, t, _ = batch(model.config)
        y = torch.tensor([[1, 2], [3, 4], [5, 6]])
        change = (model(x, t, y) - model(x, t, y.flip(1))).abs().max()
        assert (change > 1e-3) == matters  # the vector is a mean


@kinds
def test_dropped_conditions_are_null_and_the_others_as_they_were(tiny, batch, kind):
    config = tiny(**KINDS[kind])
    _, _, y = batch(config)
    dropped = torch.tensor([True, False, True])
    left = drop(config, y, dropped)
    assert torch.equal(is_null(config, left), dropped)
    assert torch.equal(left[1], y[1])
    assert torch.equal(left[dropped], null_like(config, y)[dropped])
    assert left.dtype == y.dtype


SEVERAL = KINDS["caption"] | dict(
    caption_length=4, caption_parts=("class", "words", "words", "style")
)


def test_of_several_conditions_each_is_dropped_by_itself(tiny):
    config = tiny(**SEVERAL)
    y = torch.tensor([[1, 2, 3, 4], [5, 6, 1, 2]])
    dropped = torch.tensor([True, False])
    assert list(config.conditions) == ["class", "words", "style"]
    for name, left in (
        ("class", [0, 2, 3, 4]),
        ("words", [1, 0, 0, 4]),
        ("style", [1, 2, 3, 0]),
    ):
        found = drop(config, y, dropped, name)
        assert found.tolist() == [left, y[1].tolist()]
    assert is_null(config, drop(config, y, dropped)).tolist() == [True, False]


def test_guidance_climbs_from_no_condition_to_all_of_them(tiny):
    y = torch.tensor([[1, 2, 3, 4]])
    found = rungs(tiny(**SEVERAL), y)
    assert torch.cat(found).tolist() == [
        [0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 3, 0], [1, 2, 3, 4],
    ]  # fmt: skip
    one = tiny(**KINDS["caption"])
    assert [r.tolist() for r in rungs(one, y[:, :2])] == [[[0, 0]], [[1, 2]]]


@kinds
def test_one_condition_is_climbed_in_one_step(tiny, batch, kind):
    config = tiny(**KINDS[kind])
    _, _, y = batch(config)
    nothing, everything = rungs(config, y)
    assert torch.equal(nothing, null_like(config, y))
    assert everything is y


@kinds
def test_a_model_of_any_condition_trains_and_samples(alive, batch, kind):
    model = alive(std=0.05, conditioning="cross_attention", **KINDS[kind])
    x, t, y = batch(model.config)
    y = drop(model.config, y, torch.tensor([False, True, False]))
    diffusion_loss(model, x, y, t, torch.randn_like(x)).mean().backward()
    for name, p in model.named_parameters():
        assert p.grad.abs().sum() > 0, name
    images = sample(model, y.tolist(), steps=2, guidance=2.0)
    assert torch.equal(images, sample(model, y, steps=2, guidance=2.0))
    assert images.shape == x.shape
    assert trajectory_grid(model, y[:2], [1.0, 2.0], [2], [0, 1]).states.shape[:4] == (
        2,
        1,
        2,
        2,
    )


@kinds
def test_a_condition_for_counting_is_taken(tiny, batch, kind):
    config = tiny(null_class=False, **KINDS[kind])
    x, t, _ = batch(config)
    assert DiT(config)(x, t, any_condition(config, len(x))).shape == x.shape


WRONG = [
    ("caption", torch.zeros(3), TypeError, ["torch.float32", "word ids", "y.long()"]),
    ("caption", torch.ones(3, dtype=torch.int64), ValueError, ["(3,)", "at most 2"]),
    ("caption", torch.ones(3, 3, dtype=torch.int64), ValueError, ["(3, 3)", "(3, 2)"]),
    ("caption", torch.ones(2, 2, dtype=torch.int64), ValueError, ["(2, 2)", "of 3"]),
    ("caption", torch.ones(3, 0, dtype=torch.int64), ValueError, ["(3, 0)", "(3, 2)"]),
    ("features", torch.ones(3, 0, 5), ValueError, ["(3, 0, 5)", "at most 3 rows M"]),
    ("caption", torch.full((3, 2), 7), ValueError, ["word id 7", "1 to 6", "padding"]),
    ("features", torch.ones(3, 3, dtype=torch.int64), TypeError, ["y.float()"]),
    ("features", torch.ones(3, 3, 4), ValueError, ["(3, 3, 4)", "(3, 3, 5)"]),
    ("features", torch.full((3, 3, 5), torch.nan), ValueError, ["NaN", "zeros"]),
]


@pytest.mark.parametrize(("kind", "y", "error", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_condition_is_refused_with_the_way_out(
    alive, batch, kind, y, error, said
):
    model = alive(**KINDS[kind])
    x, t, _ = batch(model.config)
    with pytest.raises(error) as raised:
        model(x, t, y)
    for words in said:
        assert words in str(raised.value)


@padded
def test_a_null_that_was_never_trained_is_refused(alive, batch, kind):
    model = alive(null_class=False, **KINDS[kind])
    x, t, y = batch(model.config)
    with pytest.raises(ValueError, match="of image 1 is nothing but padding"):
        model(x, t, drop(model.config, y, torch.tensor([False, True, False])))


def test_captions_as_strings_are_read_by_a_model_that_knows_its_words(tiny):
    kind = KINDS["caption"]
    words = ["", "red", "circle", "the", *"abcdefghij"][: kind["vocab_size"]]
    words += [f"w{i}" for i in range(kind["vocab_size"] - len(words))]
    config = tiny(**kind, words=words)
    rows = read_condition(config, ["Circle, red.", "the"])
    assert rows[:, :2].tolist() == [[2, 1], [3, 0]]
    assert not rows[:, 2:].any()
    with pytest.raises(ValueError, match=r"unknown word 'rad'; did you mean 'red'"):
        read_condition(config, ["circle", "rad"])


def test_words_where_numbers_are_needed_are_refused(tiny):
    with pytest.raises(
        TypeError, match=r"strings, .*words is empty.; pass rows of wor"
    ):
        read_condition(tiny(**KINDS["caption"]), ["a red circle"])
    with pytest.raises(TypeError, match="condition='label'; pass one whole class numb"):
        read_condition(tiny(), ["a red circle"])
    with pytest.raises(TypeError, match="is one string; pass a list"):
        read_condition(tiny(**KINDS["caption"]), "a red circle")


def test_a_label_for_a_model_of_captions_and_the_reverse_are_refused(tiny):
    captioned, labelled = tiny(**KINDS["caption"]), tiny()
    with pytest.raises(ValueError, match="pass one row of word ids for each"):
        sample(DiT(captioned), [3, 1], steps=2)
    with pytest.raises(ValueError, match="pass one whole class number for each"):
        sample(DiT(labelled), [[1, 2], [2, 1]], steps=2)


def test_guidance_for_a_condition_that_the_model_lacks_is_refused(alive):
    model = alive(std=0.05)
    by_name = sample(model, [1], steps=2, guidance={"label": 2.0})
    assert torch.equal(by_name, sample(model, [1], steps=2, guidance=2.0))
    with pytest.raises(
        ValueError, match=r"weight for 'style', .* only the condition 'label'"
    ):
        sample(model, [1], steps=2, guidance={"label": 2.0, "style": 1.0})
    with pytest.raises(ValueError, match="guidance is empty"):
        sample(model, [1], steps=2, guidance={})


@padded
@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_there_is_always_a_token_to_look_at(alive, batch, kind, conditioning):
    """A condition of padding alone gives finite answers and gradients."""
    model = alive(conditioning=conditioning, **KINDS[kind])
    x, t, y = batch(model.config)
    answer = model(x, t, null_like(model.config, y))
    assert answer.isfinite().all()
    answer.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


SCALES = {
    "caption": dict(condition="caption", vocab_size=7, caption_length=5),
    "features": dict(condition="features", caption_length=5, feature_width=3),
}


@padded
@pytest.mark.parametrize("scales", [(2,), (3, 2), (4, 8)])
def test_coarse_tokens_are_means_of_the_words_in_a_window(alive, batch, kind, scales):
    """One after the other, in plain loops; padding is in no mean."""
    model = alive(**SCALES[kind], token_scales=scales)
    plain = alive(**SCALES[kind])
    table, bare = model.condition.get_submodule(kind), plain.condition
    bare.load_state_dict(model.condition.state_dict(), strict=False)
    _, _, y = batch(model.config)
    with torch.no_grad():
        found, fine = table(y), bare.get_submodule(kind)(y)
    torch.testing.assert_close(found.vector, fine.vector)
    for i in range(len(y)):
        words = fine.tokens[i][fine.mask[i]]  # those that are no padding
        rows = [fine.tokens[i] + table.coarse.scale[0]]
        seen = fine.mask[i].tolist()
        for own, s in zip(table.coarse.scale[1:], scales, strict=True):
            for start in range(0, 5, s):
                window = words[start : start + s]
                seen.append(len(window) > 0)
                mean = window.mean(0) if len(window) else torch.zeros(16)
                rows.append((mean + own)[None])
        assert found.mask[i].tolist() == seen
        torch.testing.assert_close(found.tokens[i], torch.cat(rows).detach())
    assert found.tokens.shape[1] == 5 + model.config.coarse_tokens


@padded
@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_coarse_tokens_work_in_every_conditioning(alive, batch, kind, conditioning):
    sizes = SCALES[kind] | dict(token_scales=(2, 4))
    model = alive(conditioning=conditioning, position="rope", width=32, **sizes)
    x, t, y = batch(model.config)
    short = torch.where(torch.arange(5).view(5, *[1] * (y.ndim - 2)) < 3, y, 0)
    answer = model(x, t, short)
    assert answer.isfinite().all()
    torch.testing.assert_close(model(x, t, short[:, :3]), answer, rtol=1e-4, atol=1e-4)
    assert model(x, t, null_like(model.config, y)).isfinite().all()


@padded
def test_parameters_and_multiply_adds_of_coarse_tokens_are_counted(tiny, kind):
    for conditioning in ("adaln_zero_cross", "in_context", "joint"):
        config = tiny(**SCALES[kind], token_scales=(2, 3), conditioning=conditioning)
        model, cost = DiT(config), flops(config)["total"]
        assert cost.parameters == sum(p.numel() for p in model.parameters())
        assert cost.macs == count_macs(model).forward
