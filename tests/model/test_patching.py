import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dit_lite.model import (
    PatchEmbed,
    conv_to_linear,
    linear_to_conv,
    patchify,
    unpatchify,
)

sides = st.integers(1, 4)


@given(batch=st.integers(0, 3), channels=sides, patch=sides, rows=sides, columns=sides)
def test_patchify_moves_every_pixel_to_its_place_and_loses_none(
    batch, channels, patch, rows, columns
):
    x = torch.arange(batch * channels * rows * columns * patch**2).reshape(
        batch, channels, rows * patch, columns * patch
    )
    tokens = patchify(x, patch)
    assert tokens.shape == (batch, rows * columns, patch**2 * channels)
    assert torch.equal(tokens.flatten().sort().values, x.flatten())
    for h in range(rows):
        for w in range(columns):
            cut = x[:, :, h * patch : (h + 1) * patch, w * patch : (w + 1) * patch]
            assert torch.equal(
                tokens[:, h * columns + w], cut.permute(0, 2, 3, 1).flatten(1)
            )


@given(batch=st.integers(0, 3), channels=sides, patch=sides, grid=sides)
def test_patchify_is_a_bijection(batch, channels, patch, grid):
    x = torch.randn(batch, channels, grid * patch, grid * patch)
    assert torch.equal(unpatchify(patchify(x, patch), patch, channels), x)
    tokens = torch.randn(batch, grid**2, patch**2 * channels)
    assert torch.equal(patchify(unpatchify(tokens, patch, channels), patch), tokens)


@given(channels=sides, patch=sides, width=st.integers(1, 9), grid=sides)
def test_patch_embedding_is_a_convolution_with_kernel_and_stride_p(
    channels, patch, width, grid
):
    conv = torch.nn.Conv2d(channels, width, patch, patch).double()
    embed = PatchEmbed(patch, channels, width).double()
    embed.load_state_dict({"weight": conv_to_linear(conv.weight), "bias": conv.bias})
    x = torch.randn(2, channels, grid * patch, grid * patch, dtype=torch.float64)
    torch.testing.assert_close(
        embed(x), conv(x).flatten(2).transpose(1, 2), rtol=1e-10, atol=1e-10
    )
    assert torch.equal(
        linear_to_conv(conv_to_linear(conv.weight), channels), conv.weight
    )


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 8, 8), r"\(1, 8, 8\).*\(B, C, H, W\)"),
        ((1, 1, 8, 9), "patch_size=2 does not divide.*8x9"),
    ],
)
def test_patchify_refuses_what_cannot_be_cut(shape, said):
    with pytest.raises(ValueError, match=said):
        patchify(torch.zeros(shape), 2)


@pytest.mark.parametrize("shape", [(1, 8, 4), (1, 9, 5), (9, 4)])
def test_unpatchify_refuses_what_is_no_square_image(shape):
    with pytest.raises(
        ValueError, match="not a square image of 1 channels in patches of 2"
    ):
        unpatchify(torch.zeros(shape), 2, 1)
