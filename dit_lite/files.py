"""Files that are written whole or not at all, and tensors with a checksum. Nothing is
unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

#: What a file is called while it is being written: PART[0] + random + PART[1].
PART = ".dit-lite-", ".part"
CHECKSUM = "checksum"
#: Not on every system; where they are missing there is nothing to follow or convert.
NOFOLLOW, BINARY = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_BINARY", 0)


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message names the file and
    the way out.
    """


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all; raises CheckpointError when the
    disk refuses, and leaves what was there.

    What is written first has a name that nobody can know, and follows no link.
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
            f"cannot write {path}: {error.strerror or error}; {kept}; make room "
            "or choose another directory"
        ) from None


def remove_parts(directory: Path) -> None:
    """Remove what a process that was killed while writing left behind."""
    for part in directory.glob(f"{PART[0]}*{PART[1]}"):
        part.unlink(missing_ok=True)


def append(path: Path, content: bytes, at: int) -> None:
    """Put `content` behind the first `at` bytes of `path`, and cut off what followed
    them. Raises CheckpointError for a link, for a file that is shorter, and when the
    disk refuses.
    """
    flags = os.O_RDWR | os.O_CREAT | NOFOLLOW | BINARY
    try:
        with open(os.open(path, flags, 0o666), "r+b") as file:
            if (size := os.fstat(file.fileno()).st_size) < at:
                raise CheckpointError(
                    f"{path} has {size:,} bytes, and {at:,} were written; put the "
                    "file of this run back"
                )
            file.truncate(at)
            file.seek(at)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; make room, or choose "
            "another directory"
        ) from None


def checksum(tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    """SHA-256 of tensors on the CPU, with their names, types and shapes, and of the
    notes beside them.
    """
    notes = {k: v for k, v in about.items() if k != CHECKSUM}
    digest = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def write_tensors(
    path: Path, tensors: dict[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Tensors and short notes as one safetensors file, with a checksum of both."""
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in tensors.items()
    }
    about = {"format": "pt"} | (about or {})
    about[CHECKSUM] = checksum(tensors, about)
    write(path, serialise(tensors, metadata=about))


def read_tensors(
    path: Path, signed: bool = False
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a safetensors file.

    Raises FileNotFoundError, or CheckpointError when it is truncated, of another kind,
    or not what its checksum says; with `signed` also when it has none.
    """
    with _opened(path) as file:
        about = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    signed = signed or CHECKSUM in about
    if signed and about.get(CHECKSUM) != checksum(tensors, about):
        raise CheckpointError(
            f"{path} is damaged: its checksum is not that of its content; use "
            "another copy, or save it again"
        )
    return tensors, about


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a safetensors file by name, without its tensors; errors as in
    `read_tensors`.
    """
    with _opened(path) as file:
        return {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}  # noqa: SIM118


def read_notes(path: Path) -> dict[str, str]:
    """The notes of a safetensors file, without its tensors; errors as in
    `read_tensors`.
    """
    with _opened(path) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _opened(path: Path):
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; is {path.parent} the directory of a run or a model?"
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({error}); use "
            "another copy, or save it again"
        ) from None
