"""Did the model draw what was asked? Captions' claims against what the judge sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ...data.shapes import RELATIONS, Claims, Scenes, read
from ...data.shapes.reading import truth
from ...data.shapes.scene import MOST
from ..inputs import image_batch
from ..scores.intervals import Interval, share
from .network import LOOKS, ShapesJudge, load_shapes_judge
from .slots import Seen, look

#: What is counted. "object": everything said about one object; "caption": everything
#: said, and no extra object.
COUNTS = (*LOOKS, "place", "object", "relation", "background", "number", "caption")
CLEAR = 4.0  # pixels by which centres must differ for "left of" or "above"


@dataclass(frozen=True)
class CaptionReport:
    """Claims that hold, image by image: `right` and `asked`, name of COUNTS -> (n,)
    whole numbers; `slots` (n, 3), the detected object assigned to each object of the
    caption, -1 for none; `objects` (n,), how many the caption names; `seen`.

    "shape" to "relation" count claims, and a missing object fails all of its claims;
    "number" and "caption" count images.
    """

    right: dict[str, Tensor]
    asked: dict[str, Tensor]
    slots: Tensor
    objects: Tensor
    seen: Seen

    def accuracy(self, name: str) -> Interval | None:
        """The share of claims that hold with Wilson's interval, or None where nothing
        was claimed. Claims about one picture are treated as independent.
        """
        right, asked = int(self.right[name].sum()), int(self.asked[name].sum())
        if not asked:
            return None
        return share((torch.arange(asked) < right).double())

    def only(self, chosen: Tensor) -> Self:
        """The report on some of the images: `chosen` (n,) bool or an index; for
        instance `report.only(report.objects == 2)`.
        """
        seen = Seen(
            self.seen.here[chosen],
            {name: value[chosen] for name, value in self.seen.values.items()},
            self.seen.centre[chosen],
            self.seen.background[chosen],
        )
        return CaptionReport(
            {name: value[chosen] for name, value in self.right.items()},
            {name: value[chosen] for name, value in self.asked.items()},
            self.slots[chosen],
            self.objects[chosen],
            seen,
        )

    def rows(self) -> list[dict]:
        """One row for each of COUNTS that occurred: name, right, asked, accuracy, low,
        high.
        """
        found = []
        for name in COUNTS:
            if interval := self.accuracy(name):
                found.append(
                    dict(
                        name=name,
                        right=int(self.right[name].sum()),
                        asked=int(self.asked[name].sum()),
                        accuracy=interval.value,
                        low=interval.low,
                        high=interval.high,
                    )
                )
        return found

    def __str__(self) -> str:
        lines = [f"{'':12}{'right':>8}{'of':>8}{'share':>9}   95 % interval"]
        for row in self.rows():
            lines.append(
                f"{row['name']:12}{row['right']:8,}{row['asked']:8,}"
                f"{row['accuracy']:9.1%}   {row['low']:.1%} to {row['high']:.1%}"
            )
        return "\n".join(lines)


def judge_captions(
    images: Tensor,
    captions: Scenes | Sequence[str | Claims] | np.ndarray | Tensor,
    judge: ShapesJudge | None = None,
) -> CaptionReport:
    """How much of what was asked appears in the images.

    images (n, 3, 32, 32) in [-1,1]; captions: n strings, ids (n, M), `Claims`, or
    `Scenes`, whose every attribute counts. Detected objects are assigned to the
    caption's objects in the way that makes most claims true (attributes, places,
    relations; every claim counts as one), so a picture is never penalised for the order
    in which its objects were found. "Left of" and "above" hold when centres differ by
    at least 4 pixels. Raises ValueError or TypeError for images of another shape or
    range or another number of captions, CaptionError for a caption that cannot be read.
    """
    images = image_batch(images)
    if images.shape[1:] != (3, 32, 32):
        raise ValueError(
            f"images have shape {tuple(images.shape[1:])}; the shapes judge takes (3, "
            "32, 32)"
        )
    claims = _claims(captions)
    if len(claims) != len(images):
        raise ValueError(
            f"{len(claims)} captions do not fit {len(images)} images; give one each"
        )
    return compare(look(judge or load_shapes_judge(), images.float().cpu()), claims)


def compare(seen: Seen, claims: Sequence[Claims]) -> CaptionReport:
    """The claims of n captions against what is seen in their n images, as
    `judge_captions` counts them.
    """
    n = len(claims)
    right, asked = (
        {name: torch.zeros(n, dtype=torch.long) for name in COUNTS} for _ in range(2)
    )
    slots = torch.full((n, MOST), -1)
    views = _views(seen)
    for i, claim in enumerate(claims):
        chosen = _best(claim, views[i])
        slots[i, : len(chosen)] = torch.tensor(chosen)
        for name, (good, total) in _counted(claim, views[i], chosen).items():
            right[name][i], asked[name][i] = good, total
    objects = torch.tensor([len(claim.objects) for claim in claims])
    return CaptionReport(right, asked, slots, objects, seen)


def _claims(captions) -> list[Claims]:
    if isinstance(captions, Scenes):
        return truth(captions)
    if isinstance(captions, str):
        raise TypeError(f"captions={captions!r} is one string; give a list of them")
    return [c if isinstance(c, Claims) else read(c) for c in captions]


@dataclass(frozen=True)
class _View:
    """What the judge sees in one image, as plain numbers: attribute -> value for each
    slot, its centre, and the background.
    """

    slots: list[dict[str, int]]
    centres: list[tuple[float, float]]
    background: int


def _views(seen: Seen) -> list[_View]:
    numbers = {name: value.tolist() for name, value in seen.values.items()}
    centres, counts = seen.centre.tolist(), seen.here.sum(1).tolist()
    return [
        _View(
            [{name: numbers[name][i][s] for name in numbers} for s in range(count)],
            [tuple(centre) for centre in centres[i][:count]],
            background,
        )
        for i, (count, background) in enumerate(
            zip(counts, seen.background.tolist(), strict=True)
        )
    ]


@lru_cache
def _assignments(objects: int, slots: int) -> tuple[tuple[int, ...], ...]:
    """All ways to assign objects to distinct slots, -1 for those without a slot."""
    names = (*range(slots), *[-1] * max(0, objects - slots))
    return tuple(dict.fromkeys(permutations(names, objects)))


def _best(claim: Claims, view: _View) -> tuple[int, ...]:
    """The assignment under which most claims hold; ties go to more certain slots."""
    agree = [
        [
            sum(slot[name] == value for name, value in said.items())
            for slot in view.slots
        ]
        for said in claim.objects
    ]

    def score(chosen: tuple[int, ...]) -> int:
        looks = sum(agree[k][s] for k, s in enumerate(chosen) if s >= 0)
        return looks + _relations_right(claim, view, chosen)

    return max(_assignments(len(claim.objects), len(view.slots)), key=score)


def _relations_right(claim: Claims, view: _View, chosen: tuple[int, ...]) -> int:
    return sum(_holds(view, r, chosen[a], chosen[b]) for a, r, b in claim.relations)


def _holds(view: _View, relation: int, first: int, second: int) -> bool:
    """Whether RELATIONS[relation] holds between slots `first` and `second`."""
    if first < 0 or second < 0:
        return False
    axis = 0 if RELATIONS[relation].endswith("of") else 1
    ahead = view.centres[second][axis] - view.centres[first][axis]
    return (ahead if relation % 2 == 0 else -ahead) >= CLEAR


def _counted(
    claim: Claims, view: _View, chosen: tuple[int, ...]
) -> dict[str, tuple[int, int]]:
    """name of COUNTS -> (claims that hold, claims made)."""
    found = {name: [0, 0] for name in COUNTS}

    def count(name: str, good: bool) -> bool:
        found[name][0] += good
        found[name][1] += 1
        return good

    everything = [count("number", len(view.slots) == len(claim.objects))]
    for said, s in zip(claim.objects, chosen, strict=True):
        slot = view.slots[s] if s >= 0 else {}
        held = [
            count(name, slot.get(name) == said[name]) for name in LOOKS if name in said
        ]
        if "row" in said:
            place = all(slot.get(name) == said[name] for name in ("column", "row"))
            held.append(count("place", place))
        everything.append(count("object", s >= 0 and all(held)))
    for a, relation, b in claim.relations:
        held = _holds(view, relation, chosen[a], chosen[b])
        everything.append(count("relation", held))
    if claim.background is not None:
        held = view.background == claim.background
        everything.append(count("background", held))
    count("caption", all(everything))
    return {name: tuple(value) for name, value in found.items()}
