import pytest
import torch

from dit_lite import DiT, record_attention
from dit_lite.model import ATTENTION, PATTERNS, WEIGHTINGS, resize


def test_a_name_of_attention_is_a_pattern_and_a_weighting():
    assert {pattern for pattern, _ in ATTENTION.values()} == set(PATTERNS)
    assert {weighting for _, weighting in ATTENTION.values()} == set(WEIGHTINGS)


@pytest.mark.parametrize(("grid", "window"), [(1, 1), (4, 3), (5, 1), (6, 5), (3, 9)])
def test_the_local_mask_equals_a_loop_over_pairs_of_patches(grid, window):
    mask = PATTERNS["local"](grid, window)
    for i in range(grid**2):
        for j in range(grid**2):
            rows, columns = abs(i // grid - j // grid), abs(i % grid - j % grid)
            assert mask[i, j] == (max(rows, columns) <= window // 2)


@pytest.mark.parametrize("conditioning", ["adaln_zero", "in_context"])
@pytest.mark.parametrize("position", ["sincos", "rope"])
@pytest.mark.parametrize("long_skips", [False, True])
def test_a_layer_looks_where_its_own_pattern_lets_it(
    alive, batch, conditioning, position, long_skips
):
    attention = ["full", "local", "sparsemax", "local"]
    # with a larger one a weight of softmax rounds to 0
    model = alive(std=0.1, attention=attention, depth=4, conditioning=conditioning,
                  position=position, width=32, long_skips=long_skips)  # fmt: skip
    with record_attention(model) as maps:
        model(*batch(model.config))
    n, local = model.config.prefix, PATTERNS["local"](4, 3)
    for name, weights in zip(attention, maps, strict=True):
        patches = weights[..., n:, n:]
        if name == "local":
            assert not patches[..., ~local].any()
            assert (patches[..., local] > 0).all()
            # the prefix sees all and is seen by all
            assert (weights[..., :n, :] > 0).all()
            assert (weights[..., :n] > 0).all()
        else:
            assert (patches[..., ~local] > 0).any()


def test_a_window_over_the_whole_image_is_full_attention(alive, batch):
    full, local = alive(), alive(attention="local", attention_window=7)
    torch.testing.assert_close(
        local(*batch(full.config)), full(*batch(full.config)), rtol=1e-4, atol=1e-4
    )


def test_patterns_have_no_weights_and_a_checkpoint_fits_any(tiny):
    full, local = DiT(tiny()), DiT(tiny(attention=["local", "full"]))
    local.load_state_dict(full.state_dict())


def test_a_resized_model_has_the_patterns_of_its_new_grid(alive, batch):
    model = resize(alive(attention=["local", "full"]), 12)
    with record_attention(model) as maps:
        model(*batch(model.config))
    assert torch.equal(maps[0][0, 0] > 0, PATTERNS["local"](6, 3))
