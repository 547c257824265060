"""Errors of the operating system, in one line that names the file, the reason and the
way out.
"""

import errno
import os

WAYS_OUT = {
    "EACCES": "change its permissions, or choose another place",
    "EPERM": "change its permissions, or choose another place",
    "EROFS": "choose a place that is writable",
    "EISDIR": "name a file, not a directory",
    "ENOTDIR": "a part of the path is a file: choose another path",
    "ENOENT": "check the spelling",
    "ENAMETOOLONG": "choose a shorter name",
    "ELOOP": "the links form a loop: remove one of them",
    "EEXIST": "remove it, or choose another name",
    "ENOTEMPTY": "empty it, or choose another name",
    "ENOSPC": "free some space, or choose another disk",
    "EDQUOT": "free some space, or choose another disk",
    "EFBIG": "the limit on file size is reached: raise it, or write less",
    "EMFILE": "too many files are open: raise the limit (ulimit -n)",
    "EINVAL": "choose another path",
}
LONGEST = 120


def in_one_line(error: OSError) -> str:
    """An operating-system error as a sentence of this package: what it concerns, what
    is wrong, what to do.
    """
    reason = error.strerror or str(error) or type(error).__name__
    where = "" if error.filename is None else f"{shortened(error.filename)}: "
    return f"{where}{' '.join(reason.split())}; {way_out(error)}"


def way_out(error: OSError) -> str:
    """What to do about an operating-system error."""
    code = errno.errorcode.get(error.errno or 0, "")
    return WAYS_OUT.get(code, "try again, or choose another place")


def shortened(path: object) -> str:
    """A path as messages show it: its middle is left out if it is too long."""
    text = os.fsdecode(path) if isinstance(path, (bytes, os.PathLike)) else str(path)
    text = text.encode("utf-8", "backslashreplace").decode()  # no lone surrogates
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}...{text[-LONGEST // 3 :]}"
    return text
