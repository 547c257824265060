"""Runs that come to harm, each in a process of its own: killed in the middle of a save,
interrupted, or on a full disk.

python victim.py DIRECTORY CONFIG.json: makes DIRECTORY/HARM/ for every harm and writes
how it ended to DIRECTORY/outcomes.json. The processes are forked from this one, so that
torch is imported once.
"""

import fcntl
import json
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from dit_lite import TrainConfig, train
from dit_lite.training import Trainer

STEP = 7  # where runs are interrupted


def killed_at_call(function: str, n: int) -> None:
    """Let the n-th call of os.FUNCTION be the last thing that this process does.
    What was being written is left half-written.
    """
    real, calls = getattr(os, function), 0

    def harmed(*args):
        nonlocal calls
        calls += 1
        if calls == n:
            if function == "fsync":
                os.ftruncate(args[0], cut_short(args[0]))
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    setattr(os, function, harmed)


def cut_short(file: int) -> int:
    """Half of the bytes of a new file; of the metrics, which are appended to and so
    opened for reading too, half of the last line.
    """
    size, mode = os.fstat(file).st_size, fcntl.fcntl(file, fcntl.F_GETFL)
    if mode & os.O_ACCMODE != os.O_RDWR:
        return size // 2
    return size - len(os.pread(file, size, 0).splitlines()[-1]) // 2


def at_step(step: int, act) -> None:
    """Call `act` after the given step of any run of this process."""
    real = Trainer.train_step

    def train_step(self):
        result = real(self)
        if self.step == step:
            act()
        return result

    Trainer.train_step = train_step


def wait_for_a_signal(place: Path) -> None:
    (place / "ready").touch()
    for _ in range(1200):
        if (place / "sent").exists():
            return
        time.sleep(0.05)


def full_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))


def run(place: Path, config: TrainConfig, harm) -> None:
    """What the process of one harm does."""
    harm()
    try:
        train(config, progress=False)
        ending = "finished"
    except BaseException as error:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        ending = "".join(traceback.format_exception_only(error)).strip()
    (place / "ending").write_text(ending)


def main(directory: Path, config: TrainConfig) -> None:
    places = {}
    # torch imports a second's worth of modules at its first step
    train(replace(config, steps=1, warmup=1), progress=False)

    def victim(name: str, harm, send: int | None = None, **changes) -> None:
        place = places[name] = directory / name
        place.mkdir()
        child = os.fork()
        if child == 0:
            run(
                place,
                replace(config, out=str(place / "run"), **changes),
                lambda: harm(place),
            )
            os._exit(0)
        if send is not None:
            while not (place / "ready").exists():
                time.sleep(0.01)
            os.kill(child, send)
            (place / "sent").touch()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            (place / "ending").write_text(signal.Signals(os.WTERMSIG(status)).name)

    for n in range(1, 10):  # three saves of three files that are renamed
        victim(f"rename-{n}", lambda place, n=n: killed_at_call("replace", n))
    for n in range(1, 13):  # and of one that is appended to
        victim(f"write-{n}", lambda place, n=n: killed_at_call("fsync", n))
    victim(
        "ctrl-c",
        lambda place: at_step(STEP, lambda: wait_for_a_signal(place)),
        signal.SIGINT,
    )
    victim(
        "sigterm",
        lambda place: at_step(STEP, lambda: wait_for_a_signal(place)),
        signal.SIGTERM,
    )
    victim(
        "hang-up",
        lambda place: at_step(STEP, lambda: wait_for_a_signal(place)),
        signal.SIGHUP,
    )
    victim("full-disk", lambda place: at_step(STEP, full_disk))
    victim("full-from-the-start", lambda place: full_disk())
    (directory / "outcomes.json").write_text(
        json.dumps(
            {name: (place / "ending").read_text() for name, place in places.items()}
        )
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(
        Path(sys.argv[1]),
        TrainConfig.from_dict(json.loads(Path(sys.argv[2]).read_text())),
    )
