"""The patch playground: an image as a sequence of tokens, the cost of the sequence, and
the picture reassembled from it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import (
    as_array,
    check_images,
    check_mapping,
    check_option,
    check_text,
    check_whole,
)
from .explorer import explorer, rows_of


def patch_explorer(
    images: Mapping[str, object], *, sizes: Sequence[int] = (8, 16, 32, 64),
    widths: Sequence[int] = (64, 384, 768, 1152),
    size: int = 32, patch: int = 4, width: int = 384,
):  # fmt: skip
    """Cut an image into patches: the grid, the sequence of tokens, the costs of a
    block, and the picture from shuffled or dropped tokens.

    images {name: image}: square, (H, H) or (H, H, C) with C = 1 or 3, uint8 pixels or
    floats in [-1,1]. Each is offered at every side in `sizes`, by averaging blocks of
    pixels or by repeating them, so a size must divide H or be a multiple of it. The
    patches offered are the sides that divide the size; `widths` are the choices of D
    for the parameters and the multiply-adds of one adaLN-Zero block. `size`, `patch`
    and `width` are shown first, with the first image. Raises ValueError or TypeError,
    naming the argument, before anything is drawn.
    """
    check_mapping("images", images, " {name: image}")
    if not images:
        raise ValueError("images is empty; expected at least one {name: image}")
    sizes, widths = _wholes("sizes", sizes, 128), _wholes("widths", widths, 16384)
    names = [check_text("the name of an image", name, inline=False) for name in images]
    pictures = [
        _picture(f"images[{name!r}]", image, sizes) for name, image in images.items()
    ]
    check_option("size", size, sizes)
    check_option("width", width, widths)
    patches = [p for p in range(1, size + 1) if size % p == 0]
    if isinstance(patch, bool) or patch not in patches:
        raise ValueError(
            f"patch={patch!r} does not divide size={size}; expected one of "
            f"{', '.join(map(str, patches))}"
        )
    return explorer(
        "patches", label="Explorer: an image as a sequence of patches",
        height=_height(len(names), sizes, patches, widths),
        images=pictures, names=names, sizes=sizes, widths=widths, index=0,
        size=int(size), patch=int(patch), width=int(width),
        order=None, placing="order", spot=[0.42, 0.55],
    )  # fmt: skip


def example_picture(size: int = 64) -> np.ndarray:
    """A drawn landscape, (size, size, 3) uint8, that looks different everywhere: an
    image for `patch_explorer` that is free to use.
    """
    # drawn four times as large and averaged, so that edges are smooth
    fine = 4 * check_whole("size", size, 1, 1024)
    y, x = (np.mgrid[:fine, :fine] + 0.5) / fine
    color = lambda text: np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)], float)  # noqa: E731

    def fade(top, low, share):
        return color(top) + (color(low) - color(top)) * share[..., None].clip(0, 1)

    canvas = fade("2b4c8c", "f7c58b", y / 0.62)  # the sky
    layers = [
        (np.hypot(x - 0.74, y - 0.24) < 0.12, color("ffe9a8")),
        (y > 0.2 + 1.05 * abs(x - 0.32), fade("6f6a86", "4a4767", (y - 0.2) / 0.4)),
        (
            (y > 0.2 + 1.05 * abs(x - 0.32)) & (y < 0.31 + 0.03 * np.sin(40 * x)),
            color("f4f3f7"),
        ),
        (y > 0.4 + 0.7 * abs(x - 0.86), fade("54778a", "35566b", (y - 0.4) / 0.25)),
        (y > 0.62, fade("e0a07a", "1f3f63", (y - 0.62) / 0.3)),  # the lake
        (
            (y > 0.64) & (abs(x - 0.74) < 0.1 * (1.2 - y)) & (np.sin(130 * y) > 0),
            color("ffdf9a"),
        ),
        # the shore
        (
            (y > 0.84 - 0.12 * x + 0.012 * np.sin(25 * x)),
            fade("5f8a45", "2c4a2a", (y - 0.74) / 0.26),
        ),
        ((abs(x - 0.4) < (y - 0.5) * 0.36) & (x > 0.398) & (y < 0.69), color("f6f1e6")),
        (
            (abs(x - 0.4) < (y - 0.54) * 0.42) & (x < 0.388) & (y < 0.69),
            color("d2452f"),
        ),
        (
            (abs(x - 0.4) < 0.115 - 1.2 * (y - 0.705)) & (y > 0.705) & (y < 0.75),
            color("5a3327"),
        ),
    ]
    for mask, paint in layers:
        canvas = np.where(mask[..., None], paint, canvas)
    canvas = canvas * (0.8 + 0.2 * x[..., None])  # light from the right
    return np.rint(canvas.reshape(size, 4, size, 4, 3).mean((1, 3))).astype(np.uint8)


def _wholes(name: str, values: Sequence[int], high: int) -> list[int]:
    """Strictly increasing whole numbers from 1 to `high`."""
    several = isinstance(values, (Sequence, np.ndarray)) and not isinstance(values, str)
    values = list(values) if several else values
    if not several or not values:
        raise ValueError(
            f"{name}={values!r}: expected a list of whole numbers from 1 to {high}"
        )
    checked = [check_whole(f"{name}[{i}]", v, 1, high) for i, v in enumerate(values)]
    if sorted(set(checked)) != checked:
        raise ValueError(
            f"{name}={values!r}: expected increasing numbers without duplicates"
        )
    return checked


def _picture(name: str, image, sizes: list[int]) -> np.ndarray:
    image = as_array(name, image)
    if (
        image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[-1] not in (1, 3))
        or image.shape[0] != image.shape[1]
        or not image.size
    ):
        raise ValueError(
            f"{name} has shape {image.shape}; expected a square image (H, H) or "
            "(H, H, C) with C = 1 or 3"
        )
    if image.dtype != np.uint8:
        if image.dtype.kind != "f":
            raise TypeError(
                f"{name} has dtype {image.dtype}; expected uint8 pixels or "
                "floating-point values in [-1,1]"
            )
        image = np.rint((check_images(name, image[None])[0] + 1) * 127.5).astype(
            np.uint8
        )
    side = len(image)
    wrong = [size for size in sizes if size % side and side % size]
    if wrong:
        raise ValueError(
            f"sizes has {wrong[0]}, which is neither a divisor nor a multiple of the "
            f"{side} pixels of {name}"
        )
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image


def _height(
    images: int, sizes: list[int], patches: list[int], widths: list[int]
) -> tuple[str, str]:
    """Room for the rows of controls, and for the pictures and costs below them, on
    pages 700 and 350 pixels wide.
    """
    groups = [
        62 + 42 * images,
        *(
            70 + sum(max(40, 22 + 9 * len(str(value))) for value in values)
            for values in (sizes, patches, widths)
        ),
    ]

    return (
        f"{791 + 49 * rows_of(groups, 698, 20)}px",
        f"{925 + 49 * rows_of(groups, 335, 20)}px + 50cqi",
    )
