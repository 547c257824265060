"""Keeping freed memory: on Linux a step on the CPU takes hundreds fewer page faults
when the C library does not return its pages.
"""

import ctypes
import sys

MIB = 1024 * 1024
#: Options of glibc's mallopt(3): keep up to 1 GiB free, ask for 256 MiB at a time, and
#: use the heap for blocks up to 32 MiB.
OPTIONS = {-1: 1024 * MIB, -2: 256 * MIB, -3: 32 * MIB}


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for reuse in this process; results do not
    change. Returns whether that worked.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all([bool(mallopt(option, value)) for option, value in OPTIONS.items()])
