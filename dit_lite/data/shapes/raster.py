"""Scenes as pixels, in whole numbers only: 4x4 samples to a pixel, and every object a
stamp cut once for each shape, size, texture and quarter of a pixel.
"""

from functools import lru_cache

import numpy as np

from .scene import BACKDROPS, BACKGROUNDS, HALVES, MOST, SHAPES, SIDE, TEXTURES, Scenes

STAMP = 16  # pixels a side
EDGE = 2  # pixels by which a stamp may extend beyond the picture
WIDE = SIDE + 2 * EDGE
SAMPLES = 16  # per pixel
CHUNK = 256  # scenes whose pixels stay in the cache together

RGB = np.array(
    [
        (226, 42, 48), (248, 136, 20), (250, 214, 40),
        (44, 172, 76), (44, 98, 236), (158, 62, 208),
    ]
)  # fmt: skip
INKS = {"striped": (0, 6), "dotted": (255, 3)}  # level, and sixteenths of the colour
RIM = 6  # eighths of a pixel that stay free of ink, so that no outline is lost


def inside(shape: str, dx: np.ndarray, dy: np.ndarray, h: int) -> np.ndarray:
    """Whether points at (dx, dy) from the centre, y downwards, belong to a shape of
    half extent h; all in eighths of a pixel.
    """
    ax, ay = abs(dx), abs(dy)
    if shape == "circle":
        return dx * dx + dy * dy <= h * h
    if shape == "square":
        return 8 * np.maximum(ax, ay) <= 7 * h
    if shape == "triangle":  # apex up, base at 7/8 h
        return (2 * ax <= dy + h) & (8 * dy <= 7 * h)
    if shape == "diamond":
        return ax + ay <= h
    if shape == "cross":
        return (8 * np.minimum(ax, ay) <= 3 * h) & (np.maximum(ax, ay) <= h)
    # heart: two round lobes over a wedge; tenths, a tenth of h higher
    down = 10 * dy + h
    lobes = (10 * ax - 5 * h) ** 2 + (down + 3 * h) ** 2 <= (5 * h) ** 2
    wedge = (130 * ax <= 10 * (10 * h - down)) & (down >= -3 * h)
    return lobes | wedge


def inked(texture: str, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Whether the pixels that lie `across` and `down` from the pixel of an object's
    centre are drawn in ink: every third row, or every third of every third.
    """
    if texture == "solid":
        return np.zeros(np.broadcast(across, down).shape, bool)
    rows = np.broadcast_to(down % 3 == 0, np.broadcast(across, down).shape)
    return rows if texture == "striped" else rows & (across % 3 == 0)


@lru_cache(maxsize=1)
def stamps() -> np.ndarray:
    """How many of a pixel's 16 samples an object covers, in its colour and in its
    ink: (shape, half, texture, quarter down, quarter across, 2, 16 * 16) uint8.
    """
    halves = [h for pair in HALVES for h in pair]
    found = np.zeros(
        (len(SHAPES), len(halves), len(TEXTURES), 4, 4, 2, STAMP * STAMP), np.uint8
    )
    # samples stand in the middle of their quarter, the object's centre at 8 + q / 4
    samples = 2 * np.arange(4 * STAMP) + 1 - 4 * STAMP
    pixel = np.arange(4 * STAMP) // 4 - STAMP // 2
    for down in range(4):
        dy = (samples - 2 * down)[:, None]
        for across in range(4):
            dx = (samples - 2 * across)[None]
            for s, shape in enumerate(SHAPES):
                for i, h in enumerate(halves):
                    covered, core = (inside(shape, dx, dy, k) for k in (h, h - RIM))
                    for t, texture in enumerate(TEXTURES):
                        ink = core & inked(texture, pixel[None], pixel[:, None])
                        for layer, part in enumerate((covered & ~ink, ink)):
                            found[s, i, t, down, across, layer] = (
                                part.reshape(STAMP, 4, STAMP, 4).sum((1, 3)).ravel()
                            )
    return found


@lru_cache(maxsize=1)
def backdrops() -> np.ndarray:
    """The backgrounds with a margin, (background, variant, 3, 36 * 36) uint8: a soft
    gradient, dark or light, in one of eight tints, or a checkerboard at one of eight
    offsets.
    """
    down, across = np.mgrid[:WIDE, :WIDE]
    found = np.zeros((len(BACKGROUNDS), BACKDROPS, 3, WIDE, WIDE), np.uint8)
    for v in range(BACKDROPS):
        tint = np.array([v & 1, v >> 1 & 1, v >> 2 & 1])[:, None, None] * 8
        slope = down[None] * 3 // 8
        found[0, v] = np.array([26, 28, 38])[:, None, None] + tint + slope
        found[1, v] = np.array([232, 230, 226])[:, None, None] + tint - slope
        odd = ((down + v) // 4 + (across + 3 * v) // 4) % 2
        found[2, v] = np.array([176, 180, 188])[:, None, None] + 44 * odd[None]
    return found.reshape(len(BACKGROUNDS), BACKDROPS, 3, WIDE * WIDE)


def render(scenes: Scenes) -> np.ndarray:
    """Scenes as pictures: (n, 3, 32, 32) uint8."""
    pictures = np.empty((len(scenes), 3, SIDE, SIDE), np.uint8)
    for start in range(0, len(scenes), CHUNK):
        part = scenes[start : start + CHUNK]
        pictures[start : start + CHUNK] = _painted(part)
    return pictures


def _painted(scenes: Scenes) -> np.ndarray:
    canvas = backdrops()[scenes.background, scenes.backdrop]  # (n, 3, 36*36)
    for k in range(MOST):
        here = np.flatnonzero(scenes.count > k)
        pixels, cover = _stamped(scenes, here, k)
        light, ink = cover[:, 0].astype(np.int16), cover[:, 1].astype(np.int16)
        bare = SAMPLES - light - ink
        colour = np.clip(RGB[scenes.colour[here, k]] + scenes.shade[here, k], 0, 255)
        level, share = np.array([INKS.get(t, (0, 16)) for t in TEXTURES])[
            scenes.texture[here, k]
        ].T[..., None]
        dark = (colour * share + level * (16 - share)) // 16
        for channel in range(3):
            plane = canvas[:, channel].reshape(-1)  # a copy: written back below
            under = plane[pixels].astype(np.int16)
            mixed = (
                under * bare
                + colour[:, channel, None].astype(np.int16) * light
                + dark[:, channel, None].astype(np.int16) * ink
            )
            plane[pixels] = (mixed + SAMPLES // 2) // SAMPLES
            canvas[:, channel] = plane.reshape(len(canvas), -1)
    square = canvas.reshape(len(canvas), 3, WIDE, WIDE)
    return square[:, :, EDGE:-EDGE, EDGE:-EDGE]


def _stamped(scenes: Scenes, here: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Object k of the scenes `here` (m,): the pixels of its stamp in a flat stack of
    canvases (m, 256), and their coverage (m, 2, 256).
    """
    x, y = scenes.x[here, k], scenes.y[here, k]
    halves = [h for pair in HALVES for h in pair]
    cover = stamps()[
        scenes.shape[here, k],
        np.searchsorted(halves, scenes.half[here, k]),
        scenes.texture[here, k],
        y % 4,
        x % 4,
    ]
    corner = (y // 4 - STAMP // 2 + EDGE) * WIDE + x // 4 - STAMP // 2 + EDGE
    patch = (np.arange(STAMP)[:, None] * WIDE + np.arange(STAMP)).ravel()
    return (here * WIDE * WIDE + corner)[:, None] + patch, cover


def masks(scenes: Scenes) -> np.ndarray:
    """The visible pixels of every object, those of which it covers at least half:
    (n, 3, 32, 32) bool, all False beyond a scene's count.
    """
    found = np.zeros((MOST, len(scenes) * WIDE * WIDE), bool)
    for k in range(MOST):
        pixels, cover = _stamped(scenes, np.flatnonzero(scenes.count > k), k)
        found[k][pixels] = cover.sum(1, dtype=np.uint8) >= SAMPLES // 2
    square = found.reshape(MOST, len(scenes), WIDE, WIDE).swapaxes(0, 1)
    return np.ascontiguousarray(square[:, :, EDGE:-EDGE, EDGE:-EDGE])
