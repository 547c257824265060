import pytest
import torch

from dit_lite import record_attention
from dit_lite.analysis import (
    attention_maps,
    contribution_maps,
    effect_maps,
    localisation,
    overlap,
    patch_masks,
    without_heads,
)

WORDS = dict(
    conditioning="adaln_zero_cross", condition="caption", vocab_size=7,
    caption_length=4,
)  # fmt: skip


def test_attention_maps_are_the_recorded_weights(alive, batch):
    model = alive(**WORDS)
    x, t, y = batch(model.config)
    with record_attention(model, "cross") as maps:
        model(x, t, y)
    found = attention_maps(model, x, t, y)
    assert found.shape == (2, 3, 4, 16)
    torch.testing.assert_close(found[1], maps[1].mean(1).mT)
    torch.testing.assert_close(found.sum(2), torch.ones(2, 3, 16))


def test_contributions_add_up_to_the_output_of_the_layer(alive, batch):
    """Of a caption of one word the map is the length of what the layer returns."""
    model = alive(**WORDS)
    x, t, _ = batch(model.config)
    y = torch.tensor([[3, 0, 0, 0]] * 3)
    layer, seen = model.blocks[1].cross, []
    layer.register_forward_hook(lambda *hooked: seen.append(hooked[-1]))
    model(x, t, y)
    found = contribution_maps(model, x, t, y)[1]
    lengths = (seen[0] - layer.out.bias).norm(dim=-1)
    torch.testing.assert_close(found[:, 0], lengths, rtol=1e-4, atol=1e-5)
    assert not found[:, 1:].any()


def test_a_word_with_much_attention_and_no_value_contributes_nothing(alive):
    model = alive(**WORDS)
    layer = model.blocks[0].cross
    rows = layer.key_value.weight.data.unflatten(0, (2, 2, 8))
    rows[:, 1] = 0  # values
    layer.key_value.bias.data.unflatten(0, (2, 2, 8))[:, 1] = 0
    x, t = torch.randn(1, 1, 8, 8), torch.tensor([0.5])
    y = torch.tensor([[1, 2, 3, 4]])
    assert attention_maps(model, x, t, y)[0].max() > 0.25
    assert not contribution_maps(model, x, t, y)[0].any()


def test_the_effect_of_a_word_is_the_change_of_the_answer_without_it(alive, batch):
    model = alive(**WORDS)
    x, t, y = batch(model.config)
    found = effect_maps(model, x, t, y)
    without = y.clone()
    without[:, 1] = 0
    change = (model(x, t, without) - model(x, t, y)).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(found[:, 1].square().mean(1).sqrt(), change)
    assert not found[y == 0].any()  # of padding
    with torch.no_grad(), without_heads(model, {0: [0, 1], 1: [0, 1]}, "cross"):
        assert not effect_maps(model, x, t, y).any()  # nobody hears words


def test_localisation_is_the_area_under_the_curve():
    masks = torch.tensor([True, True, False, False, False])
    for values, area in (
        ([9, 8, 3, 2, 1], 1), ([0, 0, 1, 1, 1], 0), ([4, 4, 4, 4, 4], 1 / 2),
        ([5, 1, 3, 2, 0], 4 / 6),
    ):  # fmt: skip
        found = localisation(torch.tensor(values, dtype=torch.float64), masks)
        assert found.item() == pytest.approx(area)


def test_overlap_is_one_for_the_mask_itself_and_by_chance_for_ties():
    masks = torch.zeros(2000, 16, dtype=torch.bool)
    masks[:, :4] = True
    assert (overlap(masks.float(), masks) == 1).all()
    assert (overlap(-masks.float(), masks) == 0).all()
    # with h of the 4 in common the union is 8 - h; h is hypergeometric
    from scipy.stats import hypergeom

    chance = sum(hypergeom(16, 4, 4).pmf(h) * h / (8 - h) for h in range(5))
    flat = overlap(torch.ones(2000, 16), masks).mean()
    assert flat.item() == pytest.approx(chance, abs=0.01)


def test_masks_of_patches_hold_at_least_half_a_patch_or_the_best_one():
    masks = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    masks[0, 0, :2, :3] = True  # one patch and half of the next
    masks[1, 2, 5, 5] = True  # a single pixel
    found = patch_masks(masks, 2)
    assert found.shape == (2, 3, 16)
    assert found[0, 0].nonzero().flatten().tolist() == [0, 1]
    assert found[1, 2].nonzero().flatten().tolist() == [10]
    assert not found[0, 1].any()


def test_what_has_no_words_is_refused(alive, batch):
    model = alive()
    with pytest.raises(ValueError, match="labels have no words"):
        effect_maps(model, *batch(model.config))
    with pytest.raises(ValueError, match="no cross-attention layers"):
        attention_maps(model, *batch(model.config))
    nothing = torch.zeros(4, dtype=torch.bool)
    for mask in (nothing, ~nothing):
        with pytest.raises(ValueError, match="empty, or the whole"):
            localisation(torch.ones(4), mask)
    with pytest.raises(ValueError, match="empty"):
        overlap(torch.ones(4), nothing)
