"""An image as a sequence of patches, and back: a change of shape that loses nothing."""

import torch
from einops import rearrange
from torch import Tensor, nn


def patchify(x: Tensor, patch_size: int) -> Tensor:
    """Cut images into flattened patches.

    x (B, C, H, W) -> tokens (B, N, P*P*C) with N = (H/P)*(W/P), row by row; inside a
    token the order is (row, column, channel). Raises ValueError when P does not divide
    H and W. Source: ViT (2010.11929) sec. 3.1; the order is that of DiT (2212.09748).
    """
    if x.ndim != 4:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; patchify takes images of shape (B, C, H, W)"
        )
    if x.shape[2] % patch_size or x.shape[3] % patch_size:
        raise ValueError(
            f"patch_size={patch_size} does not divide the image of "
            f"{x.shape[2]}x{x.shape[3]}; crop, pad, or choose another patch"
        )
    return rearrange(
        x, "b c (h p) (w q) -> b (h w) (p q c)", p=patch_size, q=patch_size
    )


def unpatchify(
    tokens: Tensor, patch_size: int, channels: int, grid: int | None = None
) -> Tensor:
    """Put flattened patches back together, the exact inverse of `patchify` for square
    images.

    tokens (B, N, P*P*C) -> (B, C, H, W) with H = W = P*sqrt(N). `grid` is sqrt(N), if
    it is known: a traced model has no N to take the root of. Raises ValueError when N
    is not a square or the token has another size.
    """
    if grid is None:
        grid = round(tokens.shape[1] ** 0.5) if tokens.ndim == 3 else 0
    if not torch.jit.is_tracing() and (
        tokens.ndim != 3
        or grid * grid != tokens.shape[1]
        or tokens.shape[2] != patch_size**2 * channels
    ):
        raise ValueError(
            f"tokens of shape {tuple(tokens.shape)} are not a square image of "
            f"{channels} channels in patches of {patch_size}: "
            f"expected (B, grid*grid, {patch_size**2 * channels})"
        )
    return rearrange(
        tokens, "b (h w) (p q c) -> b c (h p) (w q)", h=grid, p=patch_size, q=patch_size
    )


class PatchEmbed(nn.Linear):
    """Flattened patches through one linear map: what a convolution with kernel = stride
    = P does.

    x (B, C, H, W) -> (B, N, D). Source: 2010.11929 eq. 1.
    """

    def __init__(self, patch_size: int, channels: int, width: int):
        super().__init__(patch_size**2 * channels, width)
        self.patch_size = patch_size

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(patchify(x, self.patch_size))


def conv_to_linear(weight: Tensor) -> Tensor:
    """The kernel of a patch-embedding convolution (D, C, P, P) as the weight (D,
    P*P*C) of a PatchEmbed.
    """
    return rearrange(weight, "d c p q -> d (p q c)")


def linear_to_conv(weight: Tensor, channels: int) -> Tensor:
    """The inverse of `conv_to_linear`: (D, P*P*C) -> (D, C, P, P)."""
    side = round((weight.shape[1] // channels) ** 0.5)
    return rearrange(
        weight, "d (p q c) -> d c p q", p=side, q=side, c=channels
    ).contiguous()
