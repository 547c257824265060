"""Whether a file is still the one that was read, without reading it: as git's index
knows it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

#: Seconds in which a file can change again without its times showing it.
TICK = 2.0


def fingerprint(path: str | Path) -> tuple[int, ...]:
    """Size, time of change, time of the change of status, inode and device of a file.
    The time of status is set by the kernel alone: no archive or copy brings it back.
    """
    s = os.stat(path)
    return s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev


def settled(stats: Iterable[tuple]) -> bool:
    """Whether all files rested for so long that a change would have shown; stats end
    with a `fingerprint`.
    """
    latest = max((max(s[-4], s[-3]) for s in stats), default=0)
    return latest < (time.time() - TICK) * 1e9
