"""The noise explorer: one image on three paths to noise, and the four targets that a
network may predict.
"""

from collections.abc import Sequence

import numpy as np

from .arrays import (
    as_array,
    check_images,
    check_number,
    check_shape,
    check_text,
    check_whole,
)
from .explorer import explorer


def noise_explorer(
    images,
    eps=None,
    names: Sequence[str] | None = None,
    *,
    t: float = 0.5,
    index: int = 0,
    seed: int = 0,
):
    """Scrub the time t of x_t = a(t) x0 + s(t) eps on the paths linear, cosine and
    ddpm.

    images (n, H, W) or (n, H, W, C) floats in [-1,1], C = 1 or 3; eps of the same
    shape, or None for Gaussian noise drawn from `seed`; names, one per image; `t` in
    [0,1] and `index` say what is shown first. With a kernel a button draws new noise.
    Raises ValueError or TypeError, naming the argument, before anything is drawn.
    """
    images = check_images("images", images)
    n = len(images)
    eps = (
        _draw(images.shape, seed)
        if eps is None
        else as_array("eps", eps).astype(np.float32)
    )
    check_shape(
        "eps",
        eps.reshape(images.shape) if eps.size == images.size else eps,
        images.shape,
        "as images",
    )
    if not np.isfinite(eps).all():
        raise ValueError("eps has values that are not finite; expected Gaussian noise")
    names = (
        [f"image {i + 1}" for i in range(n)]
        if names is None
        else [
            check_text(f"names[{i}]", str(name), False) for i, name in enumerate(names)
        ]
    )
    if len(names) != n:
        raise ValueError(f"names has {len(names)} entries; expected {n}, one per image")
    # three rows of five tiles
    tiles = f"{60 * images.shape[1] / images.shape[2]:.0f}cqi"

    def redraw(widget):
        widget.eps = _draw(images.shape, widget.seed)

    return explorer(
        "noise", {"seed": redraw}, label="Explorer: an image on three paths to noise",
        height=(f"{289 + 52 * (n > 6)}px + {tiles}",
        f"{674 + 46 * -(-n // 5)}px + {tiles}"),
        images=images, eps=eps.reshape(images.shape), names=names, t=check_number("t",
        t, 0, 1), index=check_whole("index", index, 0, n - 1),
        seed=int(seed),
    )  # fmt: skip


def _draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(int(seed)).standard_normal(shape, dtype=np.float32)
