"""Simulated pipelines: what each device does when, its idle time, and how many
activations it holds.

A plan gives every device an order of tasks; `simulate` starts each as soon as its
device is free and what it needs has arrived. Stage s of p v stages lives on device s
mod p.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..config import ConfigError, choose
from ..config.fields import Whole

FORWARD, BACKWARD, WEIGHTS = "F", "B", "W"


@dataclass(frozen=True)
class Task:
    """One stage's work on one micro-batch: F forward, B backward, or where backward is
    split B for the inputs' gradient and W for the weights'.
    """

    kind: str
    stage: int
    micro: int


@dataclass(frozen=True)
class Event:
    """A task with its device and its time, start to end."""

    device: int
    task: Task
    start: float
    end: float


@dataclass(frozen=True)
class Durations:
    """Time for a device's whole share of the model on one micro-batch, and for sending
    its output on. A backward pass costs two forward passes, half of it for the weights.
    """

    forward: float = 1.0
    inputs: float = 1.0
    weights: float = 1.0
    send: float = 0.0


@dataclass(frozen=True)
class Timeline:
    """A simulated step: its events, how long it takes, and the micro-batches whose
    activations each device holds at most, in units of a device's whole share.
    """

    events: list[Event]
    devices: int
    seconds: float
    work: float  # of one device
    held: list[float]

    @property
    def idle_share(self) -> float:
        """Idle time over the whole step: (p-1)/(m+p-1) for GPipe and 1F1B
        (1811.06965, sec. 2.3).
        """
        return 1 - self.work / self.seconds

    @property
    def bubble_to_work(self) -> float:
        """Idle time over useful time, the other denominator in use: (p-1)/m for GPipe
        and 1F1B (2104.04473, sec. 2.2).
        """
        return self.seconds / self.work - 1


def naive(devices: int, micro_batches: int) -> list[list[Task]]:
    """One micro-batch at a time through all stages and back: splitting by layers saves
    memory, not time.
    """
    return [
        [Task(kind, d, m) for m in range(micro_batches) for kind in "FB"]
        for d in range(devices)
    ]


def gpipe(devices: int, micro_batches: int) -> list[list[Task]]:
    """All forward passes, then all backward passes (1811.06965)."""
    return [
        [Task(kind, d, m) for kind in "FB" for m in range(micro_batches)]
        for d in range(devices)
    ]


def one_f_one_b(devices: int, micro_batches: int) -> list[list[Task]]:
    """Backward passes as early as possible (1806.03377, flushed as in 2104.04473): the
    bubble of GPipe, and at most p micro-batches held instead of m.
    """
    return interleaved(devices, micro_batches, 1)


def interleaved(devices: int, micro_batches: int, chunks: int = 2) -> list[list[Task]]:
    """`chunks` thin stages per device, visited in turn: the bubble shrinks by `chunks`,
    the number of messages grows by it (2104.04473, sec. 2.2).
    """
    p, total = devices, micro_batches * chunks
    if chunks > 1 and micro_batches % p:
        raise ConfigError(
            f"micro_batches={micro_batches} must be a multiple of devices={p} for "
            "interleaved stages"
        )

    def turn(k: int) -> tuple[int, int]:
        """Chunk and micro-batch of the k-th forward pass of a device."""
        group, place = divmod(k, p * chunks)
        return place // p, group * p + place % p

    plan = []
    for d in range(p):
        forward = [Task(FORWARD, c * p + d, m) for c, m in map(turn, range(total))]
        backward = [
            Task(BACKWARD, (chunks - 1 - c) * p + d, m)
            for c, m in map(turn, range(total))
        ]
        ahead = (p - d - 1) * (1 if chunks == 1 else 2) + (chunks - 1) * p
        ahead = min(ahead, total)
        tasks = forward[:ahead]
        for f, b in zip(forward[ahead:], backward, strict=False):
            tasks += [f, b]
        plan.append(tasks + backward[total - ahead :])
    return plan


def zero_bubble(devices: int, micro_batches: int) -> list[list[Task]]:
    """1F1B with the weights' gradients deferred into the gaps, also holding at most p
    micro-batches: ZB-H1 (2401.10241, sec. 2), with a third of 1F1B's bubble.
    """
    plan: list[list[Task]] = []
    for d, order in enumerate(one_f_one_b(devices, micro_batches)):
        tasks: list[Task] = []
        owed: list[Task] = []
        for task in order:
            tasks.append(task)
            if task.kind == BACKWARD:
                owed.append(Task(WEIGHTS, d, task.micro))
                # device d may hold d more than under 1F1B, p in all
                if len(owed) > d:
                    tasks.append(owed.pop(0))
        plan.append(tasks + owed)
    return plan


SCHEDULES: dict[str, Callable[[int, int], list[list[Task]]]] = {
    "naive": naive,
    "gpipe": gpipe,
    "1f1b": one_f_one_b,
    "interleaved": interleaved,
    "zero_bubble": zero_bubble,
}


def pipeline(
    schedule: str, devices: int, micro_batches: int, durations: Durations | None = None
) -> Timeline:
    """Simulate one step of a named schedule.

    Raises ConfigError for another name, or numbers below one.
    """
    choose("schedule", schedule, SCHEDULES)
    devices = Whole(1)("devices", devices)
    micro_batches = Whole(1)("micro_batches", micro_batches)
    return simulate(SCHEDULES[schedule](devices, micro_batches), durations)


def simulate(plan: list[list[Task]], durations: Durations | None = None) -> Timeline:
    """Start every task as early as its device's order and its inputs allow.

    Raises ConfigError for a plan in which tasks wait for each other forever.
    """
    durations = durations or Durations()
    p = len(plan)
    tasks = {task for order in plan for task in order}
    stages = 1 + max(task.stage for task in tasks)
    split = any(task.kind == WEIGHTS for task in tasks)
    length = {
        FORWARD: durations.forward,
        BACKWARD: durations.inputs + (0 if split else durations.weights),
        WEIGHTS: durations.weights,
    }
    chunks = stages // p

    def inputs(task: Task) -> list[tuple[Task, float]]:
        s, m = task.stage, task.micro
        if task.kind == WEIGHTS:
            return [(Task(BACKWARD, s, m), 0.0)]
        if task.kind == FORWARD:
            return [(Task(FORWARD, s - 1, m), durations.send)] if s else []
        after = [(Task(BACKWARD, s + 1, m), durations.send)] if s + 1 < stages else []
        return [(Task(FORWARD, s, m), 0.0), *after]

    ended: dict[Task, float] = {}
    events: list[Event] = []
    free, place = [0.0] * p, [0] * p
    while len(ended) < len(tasks):
        moved = False
        for d, order in enumerate(plan):
            while place[d] < len(order):
                task = order[place[d]]
                needs = inputs(task)
                if any(need not in ended for need, _ in needs):
                    break
                start = max([free[d], *(ended[need] + wait for need, wait in needs)])
                free[d] = ended[task] = start + length[task.kind] / chunks
                events.append(Event(d, task, start, free[d]))
                place[d] += 1
                moved = True
        if not moved:
            stuck = [
                order[i] for order, i in zip(plan, place, strict=True) if i < len(order)
            ]
            raise ConfigError(
                f"this plan never ends; these tasks wait for each other: {stuck}"
            )
    work = sum(length[task.kind] for task in plan[0]) / chunks
    held = [_held(events, d, WEIGHTS if split else BACKWARD) / chunks for d in range(p)]
    return Timeline(sorted(events, key=lambda e: e.start), p, max(free), work, held)


def _held(events: list[Event], device: int, last: str) -> int:
    """The most micro-batches at any time between the start of F and the end of their
    last task.
    """
    changes = [
        (e.start, 1) if e.task.kind == FORWARD else (e.end, -1)
        for e in events
        if e.device == device and e.task.kind in (FORWARD, last)
    ]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def drawn(timeline: Timeline) -> dict:
    """A timeline in numbers, as `dit_lite.widgets.pipeline_explorer` takes it: events
    (n, 6) of device, kind (0 F, 1 B, 2 W), stage, micro, start and end, and the
    timeline's own figures.
    """
    kinds = {FORWARD: 0, BACKWARD: 1, WEIGHTS: 2}
    return {
        "events": [
            [e.device, kinds[e.task.kind], e.task.stage, e.task.micro, e.start, e.end]
            for e in timeline.events
        ],
        "seconds": timeline.seconds,
        "idle_share": timeline.idle_share,
        "bubble_to_work": timeline.bubble_to_work,
        "held": timeline.held,
    }
