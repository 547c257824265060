"""A request to stop waits for the step in progress: nothing is saved half-done."""

import signal
import threading
from typing import Self


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal, after its state was saved."""


class Stop:
    """While open, the first Ctrl-C, SIGTERM or SIGHUP only asks for a stop: the step in
    progress is finished. The second acts at once.

    A hang-up that was ignored before, as under nohup, stays ignored.
    """

    def __init__(self):
        self.asked = False
        self._before: dict = {}

    def _ask(self, number, frame) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT, signal.SIGTERM]
            hangup = getattr(signal, "SIGHUP", None)  # not on Windows
            if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:
                numbers.append(hangup)
            self._before = {n: signal.signal(n, self._ask) for n in numbers}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
