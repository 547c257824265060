"""Whether a file is still the one that was read, without reading it: by the method of
git's index.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

#: Seconds in which a file can change again without its times showing it.
TICK = 2.0


def fingerprint(path: str | Path) -> tuple[int, ...]:
    """Size, modification time, status-change time, inode and device of a file. Only the
    kernel sets the status-change time: no archive or copy restores it.
    """
    s = os.stat(path)
    return s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev


def settled(stats: Iterable[tuple]) -> bool:
    """Whether all files have been unchanged for so long that a change would have shown;
    stats end with a `fingerprint`.
    """
    latest = max((max(s[-4], s[-3]) for s in stats), default=0)
    return latest < (time.time() - TICK) * 1e9
