"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

from .system_errors import way_out

#: What a file is called while it is being written: PART[0] + random + PART[1].
PART = ".dit-lite-", ".part"
#: Missing on some systems, where there is no link to follow and nothing to convert.
NOFOLLOW, BINARY = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_BINARY", 0)


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message names the file and
    the way out.
    """


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all; raises CheckpointError when the
    disk refuses, and leaves what was there.

    It is first written under a name that cannot be guessed, and no link is followed.
    """
    part = path.with_name(f"{PART[0]}{secrets.token_hex(8)}{PART[1]}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | BINARY
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(part, flags, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        kept = (
            "the file written before is untouched"
            if path.exists()
            else "nothing was left behind"
        )
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; {kept}; {way_out(error)}"
        ) from None


def remove_parts(directory: Path) -> None:
    """Remove what processes killed while writing left behind."""
    for part in directory.glob(f"{PART[0]}*{PART[1]}"):
        part.unlink(missing_ok=True)


def append(path: Path, content: bytes, at: int) -> None:
    """Put `content` after the first `at` bytes of `path`, and cut off what followed
    them. Raises CheckpointError for a link, for a file that is shorter, and when the
    disk refuses.
    """
    flags = os.O_RDWR | os.O_CREAT | NOFOLLOW | BINARY
    try:
        with open(os.open(path, flags, 0o666), "r+b") as file:
            if (size := os.fstat(file.fileno()).st_size) < at:
                raise CheckpointError(
                    f"{path} has {size:,} bytes, but {at:,} were written; restore the "
                    "file of this run"
                )
            file.truncate(at)
            file.seek(at)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; {way_out(error)}"
        ) from None
