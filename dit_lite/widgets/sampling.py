"""The sampling explorer: a precomputed trajectory from noise to image, with the image
that the model predicted at every step.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .arrays import as_array, check_axes, check_pixels, check_start, check_whole
from .explorer import explorer


def sampling_explorer(
    frames, x0, times, axes: Mapping[str, Sequence] | None = None,
    scores: Mapping | None = None, *,
    taken=None, step: int | None = None, start: Mapping | None = None, seed: int = 0,
    on: Mapping[str, Callable] | None = None,
):  # fmt: skip
    """Scrub or play a sampling trajectory: the state x_t beside the image that the
    model predicts from it.

    axes {name: values} are the choices offered, for example {"guidance": [1, 2, 4],
    "class": [3, 8]}; frames uint8 (*axes, S+1, H, W) or (*axes, S+1, H, W, 3) the
    states from noise to image (`to_pixels` makes them), x0 of the same shape the
    predictions made there (the last: the finished image), times (S+1,) decreasing.
    `taken` (S+1,) says how many steps lead to each state, by default 0 to S. Where
    trajectories differ in their number of steps, times and taken have axes that
    broadcast to (*axes, S+1). Either may contain repeats: a trajectory with fewer steps
    stays in a state for longer (`trajectory_grid` of dit_lite.diffusion makes all of
    these). scores {name: array (*axes, S+1)} of numbers, which get a curve, or of text
    is shown at every state. `step`, the index of a state, and `start` {axis: value} say
    what is shown first; the default is the middle of the trajectory. With a kernel,
    `on={"seed": function(widget)}` offers a button that increments `widget.seed`; the
    function sets `widget.frames`, `widget.x0` and `widget.scores`. Raises ValueError or
    TypeError, naming the argument, before anything is drawn.
    """
    choices = check_axes(axes or {})
    lead = tuple(len(values) for _, values in choices)
    frames, x0 = (
        check_pixels("frames", frames, lead, "S+1"),
        check_pixels("x0", x0, lead, "S+1"),
    )
    if x0.shape != frames.shape:
        raise ValueError(f"x0 has shape {x0.shape}; expected {frames.shape}, as frames")
    states = frames.shape[len(lead)]
    times = _every_state("times", times, (*lead, states))
    taken = _every_state(
        "taken", np.arange(states) if taken is None else taken, (*lead, states)
    )
    if (
        (taken < 0).any()
        or (taken != np.rint(taken)).any()
        or (np.diff(taken) < 0).any()
    ):
        raise ValueError(
            f"taken has values from {taken.min():g} to {taken.max():g}; expected "
            "whole numbers of at least 0 that do not fall along a trajectory"
        )
    step = states // 2 if step is None else check_whole("step", step, 0, states - 1)
    index = check_start(choices, start or {})
    return explorer(
        "sampling", dict(on or {}), label="Explorer: from noise to an image, step by "
            "step", height=_height(choices, frames.shape[len(lead) :], scores or {}),
        frames=frames, x0=x0, times=times, taken=taken, axes=[{"name": name,
        "values": values} for name, values in choices],
        scores=pack_scores(scores or {}, (*lead, states)), step=step, index=index,
        seed=int(seed),
    )  # fmt: skip


def pack_scores(scores: Mapping, shape: tuple[int, ...]) -> list[dict]:
    """scores {name: array} in the form of the explorer's state, checked against (*axes,
    S+1).
    """
    packed = []
    for name, values in scores.items():
        array = as_array(f"scores[{name!r}]", values)
        if array.shape != shape:
            raise ValueError(
                f"scores[{name!r}] has shape {array.shape}; expected {shape}, "
                "the axes and then the states"
            )
        curve = array.dtype.kind == "f"
        if curve and not np.isfinite(array).all():
            raise ValueError(f"scores[{name!r}] has values that are not finite")
        packed.append(
            {
                "name": name,
                "curve": curve,
                "values": array.astype(np.float32)
                if curve
                else [str(v) for v in array.ravel().tolist()],
            }
        )
    return packed


def _every_state(name: str, value, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of `shape`, (*axes, S+1), from finite numbers that broadcast to it."""
    array = as_array(name, value)
    try:
        every = np.broadcast_to(array, shape)
    except ValueError:
        every = None
    if (
        every is None
        or array.ndim == 0
        or array.shape[-1] != shape[-1]
        or array.dtype.kind not in "fiu"
        or not np.isfinite(array).all()
    ):
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; expected "
            f"{shape[-1]} finite numbers, one per state of frames, or leading axes "
            f"that broadcast to {shape}"
        )
    return np.ascontiguousarray(every, np.float32)


def _height(
    choices: list[tuple[str, list[str]]], shape: tuple[int, ...], scores: Mapping
) -> tuple[str, str]:
    """Room for the rows of controls, two large tiles and the strip, on pages 700 and
    350 pixels wide.
    """
    states, ratio = shape[0], shape[1] / shape[2]
    widths = [
        300
        if len(values) > 10
        else 60 + 8 * len(name) + sum(max(40, 22 + 9 * len(value)) for value in values)
        for name, values in choices
    ]
    wide, phone = -(-sum(widths) // 660), sum(-(-width // 320) for width in widths)
    thumbs = min(states, 12)
    # two rows of thumbs, or four, in cqi
    strip = 400 / -(-thumbs // 2) if thumbs > 7 else 200 / thumbs
    panel = sum(
        100 if np.asarray(values).dtype.kind == "f" else 32
        for values in scores.values()
    )
    return (
        f"{134 + 56 * wide}px + {(33 + 200 / max(8, thumbs)) * ratio:.0f}cqi",
        f"{172 + 53 * phone + panel}px + {(50 + strip) * ratio:.0f}cqi",
    )
