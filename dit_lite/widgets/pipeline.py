"""A pipeline's step drawn: what each device does when, its idle time, and what it
holds.
"""

from collections.abc import Mapping

import numpy as np

from .arrays import as_array, check_mapping, check_number, check_text
from .explorer import explorer

#: The columns of a timeline's events.
COLUMNS = ("device", "kind", "stage", "micro", "start", "end")


def pipeline_explorer(
    timelines: Mapping[tuple[str, int, int], Mapping], *,
    schedule: str | None = None, devices: int | None = None,
    micro_batches: int | None = None,
):  # fmt: skip
    """Choose a schedule, devices and micro-batches; see the step, its idle share in
    both denominators, and the micro-batches that each device holds.

    timelines {(schedule, devices, micro_batches): timeline}: "events" (n, 6) with the
    columns device, kind (0 forward, 1 backward, 2 weights), stage, micro, start, end;
    "seconds", "idle_share", "bubble_to_work" and "held" (devices,).
    `dit_lite.distributed.pipeline_simulator.drawn` makes one. A missing combination
    cannot be chosen. Raises ValueError or TypeError, naming the argument.
    """
    if not isinstance(timelines, Mapping) or not timelines:
        raise ValueError(
            "timelines must be {(schedule, devices, micro_batches): timeline}"
        )
    runs = [_timeline(key, value) for key, value in timelines.items()]
    first = runs[0]
    chosen = dict(
        schedule=first["schedule"] if schedule is None else schedule,
        devices=first["devices"] if devices is None else devices,
        micro=first["micro"] if micro_batches is None else micro_batches,
    )
    if not any(all(run[k] == v for k, v in chosen.items()) for run in runs):
        raise ValueError(
            f"schedule={chosen['schedule']!r}, devices={chosen['devices']}, "
            f"micro_batches={chosen['micro']} is not among the timelines"
        )
    most = max(run["devices"] for run in runs)
    return explorer(
        "pipeline", label="Explorer: schedules of a pipeline",
        height=(f"{288 + 34 * most}px", f"{480 + 34 * most}px"),
        runs=runs, run=chosen, time=0.0,
    )  # fmt: skip


def _timeline(key, value) -> dict:
    if not isinstance(key, tuple) or len(key) != 3:
        raise ValueError(
            f"timelines has the key {key!r}; expected (schedule, devices, "
            "micro_batches)"
        )
    name = f"timelines[{key!r}]"
    check_mapping(name, value, "")
    schedule, devices, micro = key
    check_text("the name of a schedule", schedule, inline=False)
    needed = {"events", "seconds", "idle_share", "bubble_to_work", "held"}
    if missing := sorted(needed - set(value)):
        raise ValueError(f"{name} lacks {', '.join(missing)}")
    events = as_array(f"{name}['events']", value["events"])
    if events.ndim != 2 or events.shape[1] != len(COLUMNS):
        raise ValueError(
            f"{name}['events'] has shape {events.shape}; expected (n, 6): "
            f"{', '.join(COLUMNS)}"
        )
    held = [check_number(f"{name}['held'][{i}]", x, 0)
            for i, x in enumerate(value["held"])]  # fmt: skip
    if len(held) != devices or set(events[:, 0]) != set(range(devices)):
        raise ValueError(f"{name} does not cover devices 0 to {devices - 1}")
    return {
        "schedule": schedule, "devices": int(devices), "micro": int(micro),
        "events": events.astype(np.float32), "held": held,
        **{k: check_number(f"{name}[{k!r}]", value[k], 0)
           for k in ("seconds", "idle_share", "bubble_to_work")},
    }  # fmt: skip
