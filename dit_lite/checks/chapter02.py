"""Exercises of chapter 2: cutting, where the cost bends, stretched positions, the
least loss of a plane, and the same cost with another patch.
"""

import torch

from ..analysis import flops
from ..config import DiTConfig, preset
from ..model import coordinates, patchify
from .exercise import exercise, images, number, require, returned, same


@exercise("02.1")
def cutting(cut) -> None:
    """cut(x, P) as `patchify` does."""
    x, _ = images(batch=3, channels=2, size=6, seed=0)
    for P in (1, 2, 3, 6):
        same(
            cut(x, P),
            patchify(x, P),
            "Give the rows of the grid and the rows inside a patch separate axes, and "
            "the columns likewise. The first token holds x[:, :, :P, :P], the second "
            "the patch to its right; inside a token the order is row, column, channel.",
            0.0,
        )


@exercise("02.2")
def where_it_bends(finest) -> None:
    """finest(side, D): the smallest divisor of side with 2 N^2 D <= 12 N D^2."""
    # among them one with N = 6D, two with N between 5D and 6D, two just above 6D
    cases = (
        (32, 384), (64, 64), (256, 1152), (24, 24), (64, 700), (20, 72), (36, 24),
        (64, 600), (20, 60), (48, 8), (8, 64),
    )  # fmt: skip
    for side, D in cases:
        wanted = next(
            P for P in range(1, side + 1) if side % P == 0 and (side // P) ** 2 <= 6 * D
        )
        got = number(finest(side, D), "a patch size")
        require(
            got == wanted,
            f"For side={side}, D={D} the answer is {wanted}, yours is {got:g}. For "
            "which N are the two terms of (7) equal? A patch size must divide the "
            "side but need not be a power of two; equal terms still satisfy the "
            "condition.",
        )


@exercise("02.3")
def stretched_grid(places) -> None:
    """places(old, new): the coordinates of `new` cell centres on the scale of `old`
    ones.
    """
    for old, new in ((4, 8), (4, 4), (8, 4), (4, 6)):
        # the diagonal of the grid
        wanted = coordinates(new, old)[:: new + 1, 0].float()
        got = places(old, new)
        hint = (
            "Both grids cover the same square, from -1/2 to old - 1/2. A new cell has "
            "side old/new; take the position of its centre."
        )
        same(got.float() if isinstance(got, torch.Tensor) else got, wanted, hint)


@exercise("02.4")
def least_loss_of_a_plane(least_loss) -> None:
    """least_loss(targets, basis): mean squared distance of targets (n, d) to the
    span of the columns of basis (d, k), as a number.
    """
    generator = torch.Generator().manual_seed(0)
    targets = 2 * torch.randn(50, 6, generator=generator) + 1  # the mean counts too
    for k in (1, 3, 5):
        basis = torch.randn(6, k, generator=generator)
        inside = torch.linalg.qr(basis.double()).Q
        missed = targets - targets.double() @ inside @ inside.T
        wanted = missed.square().mean().item()
        got = number(least_loss(targets, basis), "one number")
        require(
            abs(got / wanted - 1) < 1e-3,
            f"For {k} directions of 6 the least loss is {wanted:.4f}, yours "
            f"{got:.4f}. An answer is basis @ c with any c: finding the best c for a "
            "target is a least-squares problem. The columns are neither orthogonal "
            "nor of length 1. Average the squared residual over all n d values.",
        )


@exercise("02.5")
def the_same_bill(same_bill) -> None:
    """same_bill(): a DiTConfig with P = 4 for the digits that costs what the digits
    model costs, within 5 %.
    """
    config, wanted = returned(same_bill()), flops(preset("digits"))["total"].macs
    require(
        isinstance(config, DiTConfig),
        f"The result is a {type(config).__name__}; return a DiTConfig, for "
        "example preset('digits', patch_size=4, width=...).",
    )
    shape = (config.image_size, config.channels, config.num_classes, config.patch_size)
    require(
        shape == (8, 1, 10, 4),
        "It should cut 8x8 digits of 10 classes into patches of 4; yours has "
        f"(image_size, channels, num_classes, patch_size) = {shape}.",
    )
    ratio = flops(config)["total"].macs / wanted
    hint = (
        "A quarter of the tokens leaves room for about twice the width, since the "
        "cost goes with N D^2; or for more blocks."
    )
    require(
        0.95 <= ratio <= 1.05,
        f"It costs {ratio:.2f} times as much as the digits model. {hint}",
    )
