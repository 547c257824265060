"""From the judge's cells to a list of objects: what is seen, and where."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.shapes import ATTRIBUTES
from .network import CELL, LOOKS, ShapesJudge

SLOTS = 6  # objects to look for: twice as many as a caption can name
CHUNK = 256  # images at a time
EDGES = (12.0, 20.0)  # pixels between left, middle and right; top, middle and bottom


@dataclass(frozen=True)
class Seen:
    """What the judge sees in n images. `here` (n, 6): which slots hold an object, most
    certain first; `values`: name -> (n, 6) indices of the attribute's values, with
    place as column and row; `centre` (n, 6, 2), across and down in pixels; `background`
    (n,).
    """

    here: Tensor
    values: dict[str, Tensor]
    centre: Tensor
    background: Tensor

    def __len__(self) -> int:
        return len(self.here)


def look(judge: ShapesJudge, images: Tensor) -> Seen:
    """The objects in images (n, 3, 32, 32) in [-1,1].

    An object is a cell that is more likely than not to hold one, and more likely than
    any cell within two of it: neighbouring cells respond to the same object, and a
    picture's objects are at least 13 pixels apart. A non-finite image shows nothing.
    """
    parts = [_look(judge, part) for part in images.split(CHUNK)]
    return Seen(
        torch.cat([part.here for part in parts]),
        {name: torch.cat([part.values[name] for part in parts]) for name in ATTRIBUTES},
        torch.cat([part.centre for part in parts]),
        torch.cat([part.background for part in parts]),
    )


@torch.no_grad()
def _look(judge: ShapesJudge, images: Tensor) -> Seen:
    finite = images.isfinite().flatten(1).all(1)
    images = images.where(finite[:, None, None, None], torch.zeros(()))
    cells, background = judge(images)
    score = cells["here"]  # (B, 1, 8, 8)
    peak = (score == F.max_pool2d(score, 5, 1, padding=2)) & (score > 0)
    ranked = score.masked_fill(~peak, -torch.inf).flatten(1)
    best, cell = ranked.topk(SLOTS, dim=1)  # (B, 6)
    here = best.isfinite() & finite[:, None]

    def at(name: str) -> Tensor:  # (B, values, 6)
        flat = cells[name].flatten(2)
        return flat.gather(2, cell[:, None].expand(-1, flat.shape[1], -1))

    middle = torch.stack([cell % score.shape[-1], cell // score.shape[-1]], -1) + 0.5
    centre = CELL * (middle + at("offset").transpose(1, 2))
    values = {name: at(name).argmax(1) for name in LOOKS}
    edges = torch.tensor(EDGES)
    for axis, name in enumerate(("column", "row")):
        values[name] = torch.bucketize(centre[..., axis].contiguous(), edges)
    return Seen(here, values, centre, background.argmax(1))
