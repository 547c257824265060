"""Does the shipped caption model draw what was asked, and since when?"""

import contextlib
import hashlib
from pathlib import Path

import numpy as np
import torch

from ...data.shapes import batch
from ...diffusion import sample
from ...evaluation import Interval, share
from ...evaluation.shapes import judge_captions
from ...files.pretrained import WEIGHTS, directory_of, origin_of
from ...lab import Parts, ResultError, experiment, load_result
from ...training import load

#: Captions to draw: their split, and the shares of one, two and three objects.
GROUPS = {
    "one object": ("test", (1, 0, 0)),
    "two objects": ("test", (0, 1, 0)),
    "two objects, unseen pairs": ("unseen", (0, 1, 0)),
}
#: What a caption says about a single object; all of it together counts as "attributes".
ATTRIBUTES = ("shape", "colour", "size", "texture", "place")


@experiment(
    "Does the shipped caption model draw what was asked, and since when?",
    seconds=dict(cpu=900.0, gpu=120.0),
    smoke=dict(images=2, few=2, guidance=2.0, guidances=[1.0], steps=1, earlier=None),
    cpu=dict(images=1000, few=200, guidance=3.0, guidances=[1.0, 6.0], steps=12,
             earlier="runs/shapes-snapshots"),
    gpu=dict(images=1000, few=1000, guidance=3.0, guidances=[1.0, 2.0, 4.0, 6.0],
             steps=25, earlier="runs/shapes-snapshots"),
)  # fmt: skip
def shapes_model(
    parts: Parts,
    images: int,
    few: int,
    guidance: float,
    guidances: list[float],
    steps: int,
    earlier: str | None,
) -> dict:
    """One row per state of the model, group of captions, guidance and claim: the share
    of claims that hold, by the judge of shapes. The shipped model draws `images`
    pictures of each group, and `few` at other guidances, as do earlier states of its
    run: the model directories in `earlier`, and the states in the existing record,
    which are kept. A state is identified by the digest of its weights.
    """
    now = digest("shapes")
    known = _recorded(guidance, steps) if earlier else {}
    asked = [("shapes", images, guidance), *(("shapes", few, w) for w in guidances)]
    for path in sorted(Path(earlier).glob(f"*/{WEIGHTS}")) if earlier else ():
        if digest(name := str(path.parent)) not in {now, *known}:
            asked.append((name, few, guidance))
    arms = [
        dict(model=model, weights=digest(model), group=group, images=n, guidance=w)
        for model, n, w in asked
        for group in GROUPS
    ]
    rows = parts.rows(one_group, arms, lambda arm: arm["images"], steps=steps)
    rows += [row for one in known.keys() - {now} for row in known[one]]
    order = {group: i for i, group in enumerate(GROUPS)}
    rows.sort(key=lambda row: (row["images_seen"], order[row["group"]]))
    return {"rows": rows, "shipped": now}


def digest(model: str) -> str:
    """The first twelve hexadecimal digits of the SHA-256 of a model's weights."""
    content = (directory_of(model) / WEIGHTS).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


def _recorded(guidance: float, steps: int) -> dict[str, list[dict]]:
    """The rows already recorded for states sampled in the same way, by the digest of
    their weights.
    """
    found: dict[str, list[dict]] = {}
    with contextlib.suppress(ResultError):
        for row in load_result("shapes_model").rows:
            if (row["guidance"], row["steps"]) == (guidance, steps):
                found.setdefault(row["weights"], []).append(row)
    return found


def one_group(
    model: str, weights: str, group: str, images: int, guidance: float, steps: int
) -> list[dict]:
    """How many claims of a group's `images` captions hold in a model's pictures."""
    split, mix = GROUPS[group]
    ids = torch.from_numpy(batch(21, np.arange(images), split, mix).tokens)
    drawn = sample(load(model), ids, steps, guidance, "dpmpp_2m").cpu()
    report = judge_captions(drawn, ids)
    counted = {row["name"]: (row["right"], row["asked"]) for row in report.rows()}
    some = [counted[name] for name in ATTRIBUTES if name in counted]
    counted["attributes"] = tuple(map(sum, zip(*some, strict=True)))
    origin = origin_of(model)
    about = dict(
        weights=weights, images_seen=origin.images_seen, group=group, images=images,
        guidance=guidance, steps=steps,
    )  # fmt: skip
    return [
        about | dict(name=name, right=right, asked=asked) | bounds(right, asked)
        for name, (right, asked) in counted.items()
    ]


def bounds(right: int, asked: int) -> dict[str, float]:
    """The share with Wilson's 95 % interval."""
    found: Interval = share((torch.arange(asked) < right).double())
    return dict(accuracy=found.value, low=found.low, high=found.high)
