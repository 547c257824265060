"""An all-reduce round by round: whose numbers each device holds, and what it sent."""

from collections.abc import Mapping

import numpy as np

from .arrays import as_array, check_option, check_text, check_whole
from .explorer import explorer


def all_reduce_explorer(
    timelines: Mapping[str, Mapping], *, name: str | None = None, step: int = 0
):
    """Step through an all-reduce, or compare several ways to do it.

    timelines {name: timeline}: "holds" uint8 (rounds + 1, ranks, chunks), bit i set
    where a chunk contains rank i's numbers; "messages" for each round a list of
    [source, target, chunk or None, adds]; "sent" (rounds + 1, ranks) in whole tensors.
    `dit_lite.distributed.collectives.timeline` makes one. `name` and `step` say what is
    shown first. Raises ValueError or TypeError, naming the argument.
    """
    if not isinstance(timelines, Mapping) or not 1 <= len(timelines) <= 5:
        raise ValueError("timelines must be {name: timeline} with one to five entries")
    found = [
        _timeline(check_text("the name of a timeline", key, inline=False), value)
        for key, value in timelines.items()
    ]
    names = list(timelines)
    index = 0 if name is None else check_option("name", name, names)
    step = check_whole("step", step, 0, len(found[index]["messages"]))
    ranks = max(one["holds"].shape[1] for one in found)
    return explorer(
        "ring", label="Explorer: an all-reduce, round by round",
        height=(f"{292 + 46 * ranks}px", f"{440 + 46 * ranks}px"),
        names=names, timelines=found, index=index, step=step,
    )  # fmt: skip


def _timeline(name: str, value: Mapping) -> dict:
    if not isinstance(value, Mapping) or {"holds", "messages", "sent"} - set(value):
        raise ValueError(
            f"timelines[{name!r}] must be a dict with holds, messages and sent"
        )
    holds, sent = (as_array(f"timelines[{name!r}][{key!r}]", value[key])
                   for key in ("holds", "sent"))  # fmt: skip
    messages = value["messages"]
    if holds.ndim != 3 or not 2 <= holds.shape[1] <= 8 or holds.dtype != np.uint8:
        raise ValueError(
            f"timelines[{name!r}]['holds'] has shape {holds.shape} and dtype "
            f"{holds.dtype}; expected uint8 (rounds + 1, 2 to 8 ranks, chunks)"
        )
    if sent.shape != holds.shape[:2] or len(messages) != len(holds) - 1:
        raise ValueError(
            f"timelines[{name!r}]: sent {sent.shape} and {len(messages)} rounds of "
            f"messages do not go with holds {holds.shape}"
        )
    return {
        "holds": holds,
        "sent": sent.astype(np.float32),
        "messages": [[list(message) for message in part] for part in messages],
    }
