"""Locks on open files: the kernel's, which end with their process, however that ends;
process numbers are not unique where containers share a disk.
"""

from typing import BinaryIO


def locked(file: int | BinaryIO, wait: bool = False) -> bool | None:
    """Lock a file for as long as it is open: True, or False when another process has
    it; None where files cannot be locked.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # file systems without locks
        return None
    return True
