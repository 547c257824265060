import pytest
import torch

from dit_lite import DiT, record_attention
from dit_lite.model import ATTENTION, PATTERNS, WEIGHTINGS, resize

#: Names of attention whose pattern hides something, with weights that are never 0.
MASKED = [
    name
    for name, (pattern, weighting) in ATTENTION.items()
    if weighting == "softmax" and PATTERNS[pattern](4, 3) is not None
]


def mask_of(name: str, grid: int) -> torch.Tensor:
    """The mask of a named attention with a window of 3."""
    return PATTERNS[ATTENTION[name][0]](grid, 3)


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


@pytest.mark.parametrize("pattern", MASKED)
@pytest.mark.parametrize("conditioning", ["adaln_zero", "in_context"])
@pytest.mark.parametrize("position", ["sincos", "rope"])
@pytest.mark.parametrize("long_skips", [False, True])
def test_a_layer_looks_where_its_own_pattern_lets_it(
    alive, batch, pattern, conditioning, position, long_skips
):
    attention = ["full", pattern, "sparsemax", pattern]
    # with a larger one a weight of softmax rounds to 0
    model = alive(std=0.1, attention=attention, depth=4, conditioning=conditioning,
                  position=position, width=32, long_skips=long_skips)  # fmt: skip
    with record_attention(model) as maps:
        model(*batch(model.config))
    n, mask = model.config.prefix, mask_of(pattern, 4)
    for name, weights in zip(attention, maps, strict=True):
        patches = weights[..., n:, n:]
        if name == pattern:
            assert not patches[..., ~mask].any()
            assert (patches[..., mask] > 0).all()
            # the prefix sees all and is seen by all
            assert (weights[..., :n, :] > 0).all()
            assert (weights[..., :n] > 0).all()
        else:
            assert (patches[..., ~mask] > 0).any()


def test_a_window_over_the_whole_image_is_full_attention(alive, batch):
    full, local = alive(), alive(attention="local", attention_window=7)
    torch.testing.assert_close(
        local(*batch(full.config)), full(*batch(full.config)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("pattern", MASKED)
def test_patterns_have_no_weights_and_a_checkpoint_fits_any(tiny, pattern):
    full, masked = DiT(tiny()), DiT(tiny(attention=[pattern, "full"]))
    masked.load_state_dict(full.state_dict())


@pytest.mark.parametrize("pattern", MASKED)
def test_a_resized_model_has_the_patterns_of_its_new_grid(alive, batch, pattern):
    model = resize(alive(attention=[pattern, "full"]), 12)
    with record_attention(model) as maps:
        model(*batch(model.config))
    assert torch.equal(maps[0][0, 0] > 0, mask_of(pattern, 6))
