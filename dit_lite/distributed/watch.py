"""Which rank hangs: a thread that watches, and reports where every rank is when a step
takes too long.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Self

import torch.distributed as dist


class Watch:
    """A context around training. Call `begin(step)` when a step, counted from one, has
    its batch and only computing is left, during which ranks wait for each other.

    When nothing progresses for `seconds`, every rank's watch writes to the store how
    far its rank got and where its main thread is; the rank furthest behind is the one
    the others wait for. It reports itself with its stack, and `give_up` is called on
    all.
    """

    def __init__(
        self,
        store: dist.Store,
        rank: int,
        world: int,
        seconds: float,
        give_up: Callable[[], object] = lambda: os._exit(70),
    ):
        self.store, self.rank, self.world = store, rank, world
        self.seconds, self.give_up = seconds, give_up
        self.step, self.moved = 0, time.monotonic()
        self._main = threading.get_ident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def begin(self, step: int) -> None:
        """Step `step` has its batch."""
        self.step, self.moved = step, time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()

    def _look(self) -> None:
        while not self._stop.wait(min(1.0, self.seconds / 10)):
            if time.monotonic() - self.moved > self.seconds:
                self._report()
                self.give_up()
                return

    def _report(self) -> None:
        frame = sys._current_frames().get(self._main)
        stack = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
        self.store.set(
            f"hang/{self.rank}", json.dumps({"step": self.step, "stack": stack})
        )
        found = {}
        until = time.monotonic() + min(10.0, self.seconds)
        while len(found) < self.world and time.monotonic() < until:
            for other in range(self.world):
                if other not in found and self.store.check([f"hang/{other}"]):
                    found[other] = json.loads(self.store.get(f"hang/{other}"))
            time.sleep(0.1)
        first = min(found, default=self.rank)
        if self.rank == first:
            print(
                describe(found, self.world, self.seconds), file=sys.stderr, flush=True
            )
        # until the reporting rank has reported
        time.sleep(0.5)


def describe(found: dict[int, dict], world: int, seconds: float) -> str:
    """What is known about a run that has stopped progressing, in words."""
    silent = [rank for rank in range(world) if rank not in found]
    if silent:
        return (
            f"no progress for {seconds:g} s: rank {silent[0]} does not respond at all "
            f"(others wait in step {max(x['step'] for x in found.values())})"
        )
    least = min(x["step"] for x in found.values())
    behind = [rank for rank, x in found.items() if x["step"] == least]
    most = max(x["step"] for x in found.values())
    if least == most:
        text = f"no progress for {seconds:g} s: all ranks are in step {least}"
    else:
        names = ", ".join(map(str, behind))
        text = (
            f"no progress for {seconds:g} s: rank {names} has not begun step "
            f"{least + 1}, for which the others wait"
        )
    return f"{text}. Rank {behind[0]} is at\n{found[behind[0]]['stack']}"
