"""The assumptions behind the experiments on words."""

import pytest
import torch

from dit_lite import DiT, DiTConfig
from dit_lite.diffusion import to_images
from dit_lite.diffusion.noise import ImageNoise
from dit_lite.experiments.cross_attention import (
    _words,
    attention_sinks,
    caption_swap,
    distractor_words,
    guidance_plane,
    heads_removed,
    layer_shares,
    six_ways,
    xor_captions,
)
from dit_lite.experiments.cross_attention.one_token import one_start
from dit_lite.lab import Result
from dit_lite.training import build_model


@pytest.fixture(scope="module")
def model() -> DiT:
    from dit_lite.data import load_data

    run = _words.captioned_run(_words.SMOKE, 0)
    torch.manual_seed(0)
    found = DiT(build_model(run, load_data("shapes").shape))
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return found.eval()


def test_queries_and_keys_of_one_token_have_exactly_no_gradient():
    for seed in range(3):
        one, two = (one_start(words, seed, 16, 4) for words in (1, 2))
        assert one["query"] == one["key"] == 0 != one["value"]
        assert one["differs"] < 1e-6  # the same vector for every patch
        assert min(two[k] for k in ("query", "key", "value")) > 1e-6
        assert two["differs"] > 1e-3


def test_words_lie_where_the_caption_says(model):
    asked = _words.two_objects(20, model.config)
    assert asked.y.shape == (20, 16)
    counts = torch.bincount(asked.picture, minlength=20)
    assert (counts == 4).all()  # a shape and a colour of two objects
    assert asked.kinds.count("shape") == asked.kinds.count("colour") == 40
    assert asked.masks.flatten(1).any(1).all()
    # the words of one object share its mask
    first = [i for i, n in enumerate(asked.picture) if n == 0]
    assert len({tuple(asked.masks[i].flatten().tolist()) for i in first}) == 2


def test_padding_takes_attention_only_where_it_is_seen(model):
    paddings = attention_sinks.PADDINGS
    rows = {}
    for name, padding in paddings.items():
        with attention_sinks.show_padding(model, padding):
            rows[name] = attention_sinks.masses(model, padding, 6, 0.5)[0]
    assert rows["masked"]["padding"] == rows["masked"]["even"] == 0
    assert 0 < rows["null token"]["padding"] < rows["unmasked"]["padding"] < 1
    for row in rows.values():
        total = row["named"] + row["other"] + row["padding"]
        assert total == pytest.approx(1, abs=1e-5)
    assert not model.condition.caption._forward_hooks


def test_a_null_token_is_one_token_more(model):
    padding = torch.tensor([[False, False, True, True], [False] * 4])
    seen = attention_sinks.null_token(padding)
    assert seen.tolist() == [[False, False, True, False], [False] * 4]


def test_six_ways_have_matched_parameters_and_mean_what_they_say():
    from dit_lite.analysis import flops

    for budget in (six_ways.CPU, six_ways.GPU):
        sizes = {}
        for way in six_ways.WAYS:
            config = six_ways.way_model(way, budget["model"])
            assert config.conditioning == way
            assert config.condition == "caption"
            sizes[way] = flops(config)["total"].parameters
        assert max(sizes.values()) < 1.12 * min(sizes.values())
    assert len(six_ways.RATES) >= 4


def test_a_caption_that_is_swapped_at_either_end_is_a_walk_of_one_caption(model):
    from dit_lite import sample

    first, second = _words.two_objects(4, model.config).y.split(2)
    asked = dict(steps=4, guidance=2.5, sampler="ddim")
    ends = [sample(model, ids, **asked) for ids in (first, second)]
    for tau, end in zip((0.0, 1.0), ends, strict=True):
        drawn = caption_swap.swapped(model, first, second, tau, 4)
        assert torch.equal(drawn, end)
    middle = caption_swap.swapped(model, first, second, 0.6, 4)
    assert not any(torch.equal(middle, end) for end in ends)


def test_empty_words_stand_in_the_padding_alone():
    ids = torch.tensor([[3, 4, 0, 0, 0], [1, 2, 3, 4, 0]])
    found = distractor_words.with_empty_words(ids, 2, 0)
    assert torch.equal(found[ids > 0], ids[ids > 0])
    assert ((found > 0).sum(1) == torch.tensor([4, 5])).all()
    assert set(found[ids == 0].tolist()) - {0} <= set(distractor_words.EMPTY)
    assert torch.equal(distractor_words.with_empty_words(ids, 0, 0), ids)


def test_two_equal_weights_are_guidance_by_the_whole_caption(model):
    from dit_lite import sample

    objects, whole = guidance_plane.captions_in_two_parts(2, 0)
    assert all(w.startswith(f"{o} ") for o, w in zip(objects, whole, strict=True))
    how = (4, 0)  # steps and seed
    drawn, calls = guidance_plane.draw(model, objects, whole, (2.5, 2.5), *how)
    by_hand = sample(model, whole, 4, 2.5, "dpmpp_2m", 0)
    torch.testing.assert_close(drawn, by_hand, rtol=0, atol=1e-5)
    assert calls == 2
    drawn, calls = guidance_plane.draw(model, objects, whole, (2.5, 0.0), *how)
    torch.testing.assert_close(
        drawn, sample(model, objects, 4, 2.5, "dpmpp_2m", 0), rtol=0, atol=1e-5
    )


def test_captions_in_two_parts_say_what_and_where():
    from dit_lite.data.shapes import read
    from dit_lite.data.shapes.scene import SEEN

    for first, second in zip(*guidance_plane.captions_in_two_parts(40, 1), strict=True):
        (what,), (where,) = read(first).objects, read(second).objects
        assert (what["shape"], what["colour"]) in SEEN
        assert what.items() < where.items()
        assert where.keys() - what.keys() == {"row", "column"}


def test_the_whole_network_is_drawn_beside_those_without_a_head(model, monkeypatch):
    monkeypatch.setattr(heads_removed, "trained", lambda name: model)
    whole = heads_removed.drawn_without(0, -1, -1, None, 8, 2)
    plain = {row["claim"]: row["accuracy"] for row in whole}
    rows = [
        row | dict(seed=seed)
        for seed in (0, 1)
        for i in range(model.config.depth)
        for j in range(model.config.heads)
        for row in heads_removed.drawn_without(0, i, j, None, 8, 2)
    ]
    rows += [row | dict(seed=seed) for row in whole for seed in (0, 1)]
    result = Result("heads_removed", "smoke", {"rows": rows}, {}, {})
    lost, heads = heads_removed.lost_claims(result)
    assert lost.shape == (2, len(heads), 3)
    for k, (i, j) in enumerate(heads):
        some = [r for r in rows if (r["layer"], r["head"], r["seed"]) == (i, j, 1)]
        for row in some:
            at = heads_removed.CLAIMS.index(row["claim"])
            expected = plain[row["claim"]] - row["accuracy"]
            assert lost[1, k, at].item() == pytest.approx(expected, abs=1e-6)


def test_losses_without_heads_meet_the_same_noise(model):
    loss = heads_removed.losses_of(model, 6, 0)
    with torch.no_grad():
        whole = loss()
        assert torch.equal(loss(), whole)
        with heads_removed.without_heads(model, {0: [0]}, "cross"):
            lost = loss()
            assert torch.equal(heads_removed.losses_of(model, 6, 0)(), lost)
        assert not torch.equal(lost, whole)
        assert not torch.equal(heads_removed.losses_of(model, 6, 1)(), whole)


@pytest.mark.parametrize(
    ("task", "bits"),
    [("xor", (0, 0, 1)), ("repeats", (1, 1, 1)), ("halves", (1, 1, 2))],
)
def test_the_coins_of_a_task_say_what_they_must(task, bits):
    data = xor_captions.coins(task, 8000, 3)
    said = torch.from_numpy(data.labels)
    shown = xor_captions.seen_in(data.floats())
    found = [
        xor_captions.shared_bits(s, shown) for s in (said[:, :1], said[:, 1:], said)
    ]
    assert found == pytest.approx(bits, abs=5e-3)


def test_conditions_that_are_added_are_three_answers_put_together():
    torch.manual_seed(0)
    data = xor_captions.coins("xor", 4, 0)
    model = DiT(DiTConfig(**data.shape, patch_size=4, width=16, depth=1, heads=2,
                          conditioning="adaln_zero_cross")).eval()  # fmt: skip
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    said = torch.tensor([[1, 4], [2, 3]])
    with torch.no_grad():
        x = ImageNoise(0, 2, (1, 8, 8))()
        for t, later in ((1.0, 0.5), (0.5, 0.0)):  # two steps of Euler, by hand
            times = torch.full((2,), t)
            g, u, none = (
                model(x, times, y)
                for y in (
                    said * torch.tensor([1, 0]),
                    said * torch.tensor([0, 1]),
                    0 * said,
                )
            )
            x = x + (later - t) * (g + u - none)
    drawn = xor_captions.drawn(model, said, "each added", 2, 0)
    torch.testing.assert_close(drawn, to_images(x, model.config), atol=1e-5, rtol=0)


def test_panels_show_what_their_captions_say():
    data = layer_shares.panels(200, 0)
    images = torch.from_numpy(data.images).float()[:, 0]
    quarters = images.unflatten(1, (2, 8)).unflatten(3, (2, 8))  # (n, 2, 8, 2, 8)
    lying = quarters[:, :, 3:5, :, 1:-1].mean((2, 4)).flatten(1)
    standing = quarters.transpose(2, 4)[:, :, 3:5, :, 1:-1].mean((2, 4)).flatten(1)
    captions = torch.from_numpy(data.labels)
    assert torch.equal((standing > lying).long() + 4, captions[:, 1:])
    levels = torch.tensor(layer_shares.LEVELS)[captions[:, 0] - 1]
    assert (images[:, [0, 7, 15], [0, 7, 15]].mean(1) - levels).abs().max() < 20


def test_a_layer_that_is_fed_another_caption_is_that_layer_alone():
    torch.manual_seed(0)
    config = DiTConfig(**layer_shares.panels(4, 0).shape, patch_size=4, width=16,
                       depth=2, heads=2, conditioning="adaln_zero_cross",
                       global_share="even")  # fmt: skip
    model = DiT(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    y, other = torch.tensor([[1, 4, 5, 4, 5]]), torch.tensor([[3, 5, 5, 4, 4]])
    x, t = torch.randn(1, 1, 16, 16), torch.tensor([0.5])
    with torch.no_grad():
        own, wrong = model.condition(t, y), model.condition(t, other)
        for field, value in (("pooled", wrong.pooled), ("tokens", wrong.tokens[:, 1:])):
            handle = layer_shares.fed(model.blocks[1], **{field: value})
            found = model(x, t, y)
            handle.remove()
            tokens, context = model.begin(x, t, y)
            tokens = model.blocks[0](tokens, context)
            tokens = model.blocks[1](tokens, context._replace(**{field: value}))
            torch.testing.assert_close(found, model.finish(tokens, context))
            assert not torch.equal(found, model(x, t, y))
    assert own.pooled.shape == (1, 16)


def test_seeds_that_order_layers_alike_agree():
    same = torch.tensor([[0.1, 0.4, 0.9], [0.2, 0.3, 0.4], [1.0, 2.0, 5.0]])
    assert layer_shares.agreement_of_seeds(same) == pytest.approx(1)
    turned = torch.stack([same[0], same[0].flip(0)])
    assert layer_shares.agreement_of_seeds(turned) == pytest.approx(-1)
