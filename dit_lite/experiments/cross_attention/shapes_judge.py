"""How good is the judge of captioned shapes, on pictures that it never saw?"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.pixels import to_floats
from ...data.shapes import batch
from ...evaluation.shapes import judge_captions, load_shapes_judge
from ...lab import Parts, experiment, grid

SPLITS = ["test", "unseen"]
WEARS = ["clean", "blurred", "noisy"]


@experiment(
    "How often does the judge of shapes read an attribute off a real picture?",
    seconds=dict(cpu=120.0, gpu=120.0),
    smoke=dict(splits=["test"], wears=["clean"], images=60),
    cpu=dict(splits=SPLITS, wears=WEARS, images=3000),
    gpu=dict(splits=SPLITS, wears=WEARS, images=3000),
)
def shapes_judge(
    parts: Parts, splits: list[str], wears: list[str], images: int
) -> dict:
    """Every attribute of every object of `images` pictures, one third each with one,
    two and three objects: one row for each split, kind of wear and quantity counted.
    """
    arms = grid(split=splits, wear=wears)
    return {"rows": parts.rows(one_look, arms, images=images)}


def one_look(split: str, wear: str, images: int) -> list[dict]:
    """The rows of one split, its pictures clean, blurred or noisy."""
    drawn = batch(1, np.arange(images), split, (1, 1, 1))
    pictures = worn(to_floats(torch.from_numpy(drawn.images)), wear)
    judge = load_shapes_judge()
    report = judge_captions(pictures, drawn.scenes, judge)
    about = {
        "split": split, "wear": wear, "images": images,
        "parameters": sum(p.numel() for p in judge.parameters()),
    }  # fmt: skip
    return [about | row for row in report.rows()]


def worn(images: Tensor, wear: str) -> Tensor:
    """Images (n, 3, H, W) as they are; blurred by (0.15, 0.7, 0.15) along each axis; or
    with noise of standard deviation 0.08.
    """
    if wear == "blurred":
        line = torch.tensor([0.15, 0.7, 0.15])
        kernel = (line[:, None] * line).expand(3, 1, 3, 3)
        return F.conv2d(F.pad(images, (1,) * 4, "replicate"), kernel, groups=3)
    if wear == "noisy":
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(images.shape, generator=generator)
        return (images + 0.08 * noise).clamp(-1, 1)
    return images
