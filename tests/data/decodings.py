"""What other processes do with the store of decoded pictures."""

import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np

from dit_lite.data.store import store


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(source: Path, picture: int, rename: str) -> None:
    """Die before picture number `picture`, or in place of renaming to `rename`."""
    real = os.replace

    def replace(part, at):
        if str(at).endswith(rename):
            kill()
        real(part, at)

    def pictures():
        for i in range(3):
            if i == picture:
                kill()
            yield np.full((1, 2, 2), 99, dtype=np.uint8)

    os.replace = replace
    store("a", [source], pictures(), (3, 1, 2, 2))


def together(source: Path, count: Path, locks: bool) -> None:
    """Decode 200 pictures, each of which adds a byte to `count`, as the first process
    of a container, on a disk with locks or without.
    """
    os.getpid = lambda: 7
    if not locks:
        import fcntl

        def flock(*args):
            raise OSError(37, "No locks available")

        fcntl.flock = flock

    def pictures():
        for i in range(200):
            with count.open("a") as file:
                file.write("x")
            time.sleep(0.001)
            yield np.full((1, 2, 2), i, dtype=np.uint8)

    images = store("a", [source], pictures(), (200, 1, 2, 2))
    assert images[:, 0, 0, 0].tolist() == list(range(200))


def on_a_full_disk(source: Path, reserved: bool, said: Path) -> None:
    """Decode 2.5 MB where files may have 1 MB, with room reserved before or not; what
    is said goes to `said`.
    """
    if not reserved:
        del os.posix_fallocate
        usage = shutil.disk_usage
        shutil.disk_usage = lambda place: usage(place)._replace(free=1 << 40)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    pictures = (np.full((3, 64, 64), 1, np.uint8) for _ in range(200))
    try:
        store("a", [source], pictures, (200, 3, 64, 64))
    except ValueError as error:
        said.write_text(str(error))
