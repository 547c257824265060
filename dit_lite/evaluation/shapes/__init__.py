"""Judging captioned shapes: how many of a caption's claims hold in a picture?"""

from .network import ShapesJudge, load_shapes_judge, train_shapes_judge
from .report import COUNTS, CaptionReport, compare, judge_captions
from .slots import Seen, look

__all__ = [
    "COUNTS", "CaptionReport", "Seen", "ShapesJudge", "compare", "judge_captions",
    "load_shapes_judge", "look", "train_shapes_judge",
]  # fmt: skip
