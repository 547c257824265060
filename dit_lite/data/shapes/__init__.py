"""Captioned shapes, generated from a seed: what a caption claims can be checked, to the
pixel.
"""

from .captions import write
from .dataset import Batch, Example, Shapes, batch, example, shapes
from .raster import masks, render
from .reading import ATTRIBUTES, RELATIONS, Claims, read, truth
from .scene import HELD_OUT, SEEN, SPLITS, Object, Scenes, draw_scenes
from .words import MAX_TOKENS, PADDING, WORDS, CaptionError, decode, encode, encode_all

__all__ = [
    "ATTRIBUTES", "HELD_OUT", "MAX_TOKENS", "PADDING", "RELATIONS", "SEEN", "SPLITS",
    "WORDS", "Batch", "CaptionError", "Claims", "Example", "Object",
    "Scenes", "Shapes", "batch", "decode", "draw_scenes", "encode", "encode_all",
    "example", "masks", "read", "render", "shapes", "truth", "write",
]  # fmt: skip
