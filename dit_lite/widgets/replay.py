"""Recorded training runs side by side: their curves, and samples from their weights."""

from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import check_number, check_whole
from .explorer import explorer

FIELDS = ("lr", "warm", "batch_size", "curve", "at", "held_out", "drawn", "steps")


def run_replay_explorer(
    runs: Sequence[Mapping],
    decays: Sequence[float],
    *,
    beside: int = 0,
    first: int = 1,
    top: float = 2.0,
):
    """Choose rate, warm-up, batch size and average; see the training-loss curve next to
    another run's, and the digits sampled with the averaged weights as the run goes on.

    Each of `runs` has lr, warm (share of the run), batch_size, steps, curve (the mean
    loss of equal parts of the run), at (steps, rising), held_out (decays, len(at)) and
    drawn (decays, len(at), 10, H, W), pixels 0 to 255. `beside` is the index of the run
    drawn in grey, `first` of the run shown first; losses above `top` are cut off.
    Raises ValueError or TypeError, naming the argument, before anything is drawn.
    """
    runs, decays = list(runs), [check_number("a decay", d, 0, 1) for d in decays]
    if not runs or not decays:
        raise ValueError("runs or decays is empty; expected at least one of each")
    check_number("top", top, 0)
    for name, value in (("beside", beside), ("first", first)):
        check_whole(name, value, 0, len(runs) - 1)
    looks = len(runs[0].get("at", ()))
    shown, pictures = [], []
    for i, run in enumerate(runs):
        if missing := [name for name in FIELDS if run.get(name) is None]:
            raise ValueError(f"runs[{i}] has no {missing[0]}")
        drawn = np.asarray(run["drawn"])
        if drawn.ndim != 5 or drawn.shape[:3] != (len(decays), looks, 10):
            raise ValueError(
                f"runs[{i}]['drawn'] has shape {drawn.shape}; expected "
                f"({len(decays)}, {looks}, 10, H, W)"
            )
        held_out = np.asarray(run["held_out"], dtype=np.float32)
        if held_out.shape != (len(decays), looks):
            raise ValueError(
                f"runs[{i}]['held_out'] has shape {held_out.shape}; expected "
                f"({len(decays)}, {looks})"
            )
        pictures.append(drawn.astype(np.uint8))
        numbers = {name: run[name] for name in ("lr", "warm", "batch_size", "steps")}
        shown.append(
            {key: float(value) for key, value in numbers.items()}
            | {
                "curve": [float(v) for v in run["curve"]],
                "at": [int(v) for v in run["at"]],
                "held_out": held_out.tolist(),
            }
        )
    keys = [(run["lr"], run["warm"], run["batch_size"]) for run in shown]
    if len(set(keys)) < len(keys):
        raise ValueError("two runs have the same lr, warm and batch_size")
    grid = [sorted({key[axis] for key in keys}) for axis in range(3)]
    if len(keys) != np.prod([len(values) for values in grid]):
        raise ValueError("runs lack some combination of lr, warm and batch_size")
    return explorer(
        "replay", label="Explorer: recorded training runs",
        height=("590px", "790px"), runs=shown, decays=decays,
        pictures=np.stack(pictures), beside=beside, top=float(top), run=first,
        decay=len(decays) - 1, look=looks - 1,
    )  # fmt: skip
