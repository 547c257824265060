"""Position encodings. Attention alone ignores the order of its tokens; one of these
tells it where each token is.

A position is either added to the tokens once (`add`) or turned into a rotation of
queries and keys in every block (`rotation`).
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..config import DiTConfig


def coordinates(grid: int, extent: int | None = None) -> Tensor:
    """Row and column of every token, (N, 2) float64, row by row.

    With an `extent` other than `grid` the same square is covered more finely or
    coarsely: cell centres of a grid x grid raster, on the scale of an extent x extent
    one. This is how a trained model runs at another resolution.
    """
    axis = torch.arange(grid, dtype=torch.float64)
    if extent is not None and extent != grid:
        axis = (axis + 0.5) * (extent / grid) - 0.5
    return torch.cartesian_prod(axis, axis)


def sincos(values: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of each value at width/2 frequencies 10000^(-2i/width):
    (n,) -> (n, width). Source: 1706.03762 sec. 3.5.
    """
    i = torch.arange(width // 2, dtype=torch.float64)
    frequency = 10_000.0 ** (-i / (width / 2))
    angle = values.double()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def sincos_table(grid: int, width: int, extent: int | None = None) -> Tensor:
    """The frozen 2-D table of DiT, (N, D): the first half of D encodes the column,
    the second the row. Source: 2111.06377 (MAE), 2212.09748.
    """
    rows, columns = coordinates(grid, extent).unbind(1)
    return torch.cat(
        [sincos(columns, width // 2), sincos(rows, width // 2)], dim=1
    ).float()


class Position(nn.Module):
    """No position at all: the network is then exactly permutation-equivariant. Base
    class of all positions.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.grid, self.extent = config.grid, config.position_extent

    def add(self, x: Tensor) -> Tensor:
        """Tokens (B, N, D) with their positions added."""
        return x

    def rotation(self, prefix: int = 0) -> tuple[Tensor, Tensor] | None:
        """Cosine and sine (prefix + N, d_h) by which queries and keys are rotated, or
        None. The prefix has no position, and is not rotated.
        """
        return None


class SinCos(Position):
    """A frozen table of sines and cosines, added before the first block."""

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        self.register_buffer(
            "table",
            sincos_table(config.grid, config.width, config.position_extent),
            persistent=False,
        )

    def add(self, x: Tensor) -> Tensor:
        return x + self.table


class Learned(Position):
    """A trained table, added before the first block; for another grid it is resized
    like an image (bicubic).
    """

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        side = config.position_extent or config.grid
        self.table = nn.Parameter(torch.randn(side * side, config.width) * 0.02)

    def add(self, x: Tensor) -> Tensor:
        if self.table.shape[0] == self.grid**2:
            return x + self.table
        picture = rearrange(self.table, "(h w) d -> 1 d h w", h=self.extent)
        return x + rearrange(
            F.interpolate(picture, size=(self.grid, self.grid), mode="bicubic"),
            "1 d h w -> (h w) d",
        )


class Rotary(Position):
    """2-D rotary embedding: half of each head rotates with the row, half with the
    column. Source: RoPE 2104.09864; 2-D as in 2403.13298.
    """

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        frequency = 100.0 ** (
            -torch.arange(config.head_width // 4, dtype=torch.float64)
            / (config.head_width / 4)
        )
        # (N, 2, d_h/4)
        angle = coordinates(config.grid, config.position_extent)[:, :, None] * frequency
        # (N, d_h): the two halves of a head hold the pairs
        angle = angle.flatten(1).repeat(1, 2)
        self.prefix = config.prefix  # the longest, in front
        angle = F.pad(angle, (0, 0, self.prefix, 0))
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)

    def rotation(self, prefix: int = 0) -> tuple[Tensor, Tensor]:
        shorter = self.prefix - prefix
        return self.cos[shorter:], self.sin[shorter:]


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate each pair (x_i, x_{i+d/2}) of a head by its angle: x (B, h, N, d_h),
    rotation two (N, d_h) tables. Source: 2104.09864 eq. 34.
    """
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


POSITIONS = {"none": Position, "sincos": SinCos, "learned": Learned, "rope": Rotary}
