import pytest
import torch

from dit_lite import record_attention
from dit_lite.analysis import (
    drop_heads,
    head_divergence,
    head_importance,
    head_specificity,
    without_heads,
)

KINDS = {"self": dict(), "cross": dict(conditioning="cross_attention")}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_a_head_that_is_taken_away_is_a_zero_column_block_of_the_output_matrix(
    alive, batch, kind
):
    model = alive(**KINDS[kind])
    inputs = batch(model.config)
    before = model(*inputs)
    with without_heads(model, {1: [0]}, kind):
        found = model(*inputs)
    assert torch.equal(model(*inputs), before)
    block = model.blocks[1]
    layer = block.attention if kind == "self" else block.cross
    layer.out.weight.data[:, : layer.head_width] = 0
    torch.testing.assert_close(found, model(*inputs), rtol=1e-4, atol=1e-5)
    assert (found - before).abs().max() > 1e-3


def test_the_sum_over_heads_equals_their_concatenation(alive):
    """Sum_i A_i V_i W_O,i (Voita 1905.09418, Michel 1905.10650 eq. 1)."""
    layer = alive().double().blocks[0].attention
    x = torch.randn(2, 9, 16, dtype=torch.float64)
    _, _, v, weights = layer.look(x)
    by_head = layer.out.weight.unflatten(1, (2, 8))  # (D, h, d_h)
    heads = torch.einsum("bhnm,bhmd,ohd->bhno", weights, v, by_head)
    torch.testing.assert_close(layer(x), heads.sum(1) + layer.out.bias)


@kinds
def test_importance_is_the_slope_of_the_loss_in_the_gate_of_a_head(alive, batch, kind):
    model = alive(**KINDS[kind]).double()
    x, t, y = batch(model.config)
    x, t = x.double(), t.double()

    def loss():
        return model(x, t, y).square().flatten(1).mean(1)

    found = head_importance(model, loss, kind)
    assert found.shape == (2, 2)
    block = model.blocks[1]
    out = (block.attention if kind == "self" else block.cross).out.weight.data
    with torch.no_grad():
        step, halves = 1e-5, []
        for sign in (1, -1):
            out[:, 8:] *= 1 + sign * step
            halves.append(loss())
            out[:, 8:] /= 1 + sign * step
    slope = ((halves[0] - halves[1]) / (2 * step)).abs().mean()
    torch.testing.assert_close(found[1, 1], slope, rtol=1e-5, atol=1e-9)


def test_divergence_is_that_of_jensen_and_shannon():
    g = torch.Generator().manual_seed(0)
    weights = torch.rand(2, 3, 4, 5, generator=g, dtype=torch.float64)
    weights /= weights.sum(-1, keepdim=True)
    p, q = weights[:, 0], weights[:, 2]
    middle = (p + q) / 2
    by_hand = ((p * (p / middle).log2() + q * (q / middle).log2()) / 2).sum(-1).mean()
    found = head_divergence(weights)
    torch.testing.assert_close(found[0, 2], by_hand)
    torch.testing.assert_close(found, found.T)
    assert not found.diagonal().any()
    apart = torch.eye(2).view(1, 2, 1, 2)
    assert head_divergence(apart)[0, 1] == 1


def test_a_head_is_specific_by_what_it_loses_in_repeats_that_did_not_choose_it():
    lost = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    found, heads = head_specificity(lost)
    for s in range(4):
        for a in range(3):
            others = [b for b in range(3) if b != a]

            def excess(repeat, head, a=a, others=others):
                row = lost[repeat, head].tolist()
                return row[a] - max(row[b] for b in others)

            rest = [r for r in range(4) if r != s]
            best = max(range(5), key=lambda h: sum(excess(r, h) for r in rest))
            assert heads[s, a] == best
            assert found[s, a].item() == pytest.approx(excess(s, best), abs=1e-6)


def test_two_heads_for_two_attributes_are_a_double_dissociation():
    g = torch.Generator().manual_seed(1)
    lost = 0.02 * torch.randn(3, 8, 3, generator=g)
    lost[:, 2, 0] += 0.5  # a head for the first attribute, one for the second
    lost[:, 5, 1] += 0.3
    lost[:, 6] += 0.9  # and one that everything needs
    found, heads = head_specificity(lost)
    assert heads[:, :2].tolist() == [[2, 5]] * 3
    assert (found[:, :2] > torch.tensor([0.3, 0.2])).all()
    assert found[:, 2].max() < 0.1


def test_chance_is_not_specific_although_one_head_always_looks_so():
    g = torch.Generator().manual_seed(2)
    held_out, chosen = [], []
    for _ in range(300):
        lost = torch.randn(3, 24, 3, generator=g)
        held_out.append(head_specificity(lost)[0].mean())
        alike = lost[:1].expand(2, -1, -1)  # choose and measure on the same numbers
        chosen.append(head_specificity(alike)[0].mean())
    assert torch.stack(held_out).mean() < 0 < torch.stack(chosen).mean()


def test_dropped_heads_are_silent_in_training_only_and_right_in_the_mean(alive):
    model = alive()
    layer, x = model.blocks[0].attention, torch.randn(4000, 2, 16)
    whole = layer(x)
    drop_heads(model, 0.5, seed=1)
    assert torch.equal(layer(x), whole)
    model.train()
    seen = []
    handle = layer.heads.register_forward_hook(lambda *hooked: seen.append(hooked[-1]))
    layer(x)
    handle.remove()
    silent = (seen[0] == 0).all(-1).all(-1)  # (B, h)
    assert silent.double().mean() == pytest.approx(0.5, abs=0.03)
    assert silent[:, 0].ne(silent[:, 1]).any()  # each by itself
    again = seen[0][~silent[:, 0], 0]
    model.eval()
    layer.heads.register_forward_hook(lambda *hooked: seen.append(hooked[-1]))
    layer(x)
    torch.testing.assert_close(again, 2 * seen[1][~silent[:, 0], 0])


def test_dropped_heads_are_drawn_by_their_seed_and_leave_the_global_state(alive):
    found = []
    for _ in range(2):
        model, state = alive().train(), torch.get_rng_state()
        drop_heads(model, 0.5, seed=3)
        found.append(model.blocks[0].attention(torch.ones(6, 2, 16)))
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*found)


def test_recorded_maps_are_those_of_a_model_without_the_head(alive, batch):
    model = alive()
    with record_attention(model) as whole:
        model(*batch(model.config))
    with without_heads(model, {0: [0, 1]}), record_attention(model) as maps:
        model(*batch(model.config))
    assert torch.equal(maps[0], whole[0])
    assert not torch.equal(maps[1], whole[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: without_heads(m, {2: [0]}).__enter__(), "no layer 2; .* 0 to 1"),
        (lambda m: without_heads(m, {0: [2]}).__enter__(), "no head 2; .* 0 to 1"),
        (
            lambda m: without_heads(m, {}, "cross").__enter__(),
            "no cross-attention layers",
        ),
        (lambda m: without_heads(m, {}, "both").__enter__(), "kind='both'"),
        (lambda m: drop_heads(m, 1.0), "share=1.0"),
        (lambda m: head_specificity(torch.ones(1, 2, 2)), r"\(1, 2, 2\); .* repeats"),
        (lambda m: head_specificity(torch.ones(2, 2, 1)), "two attributes"),
        (lambda m: head_divergence(torch.ones(2, 2)), r"\(B, h, N, M\)"),
        (lambda m: head_divergence(torch.ones(1, 2, 2, 2)), "sum to 1"),
    ],
)
def test_what_cannot_be_is_named(alive, call, words):
    with pytest.raises(ValueError, match=words):
        call(alive())
