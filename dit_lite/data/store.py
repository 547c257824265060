"""Decoding once: pictures of any kind become one memory-mapped uint8 array, written
whole or not at all.

An array is kept under the names and the *content* of the files it was made of. Time
and size would be faster but wrong: all bitmaps of one size are equally long, and
archives restore old times. Reading all files at each start would be right but slow: so
a content once read is remembered under the size, the times and the inode of its file
(unchanged.py), and the file is read again when one of these changes.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm.auto import tqdm

from ..files.environment import data_root, page_is_built, user_path
from ..files.locking import locked
from .dataset import DataError
from .pictures import DECODER
from .unchanged import fingerprint, settled

LOCKS, SEEN = "locks", "seen"


def writable_cache() -> Path:
    """A folder for decoded arrays: below the data root, or below the user's cache
    when the root is read-only.
    """
    places = [lambda: data_root() / "decoded"]
    places.append(lambda: user_path("~/.cache/dit_lite/decoded", "cache"))
    places.append(lambda: Path(tempfile.gettempdir()) / "dit_lite" / "decoded")
    for place in places:
        # no such folder, no right to it, no home, no temporary folder
        with contextlib.suppress(OSError, ValueError):
            folder = place()
            for inside in (LOCKS, SEEN):
                (folder / inside).mkdir(parents=True, exist_ok=True)
            if all(os.access(at, os.W_OK) for at in (folder, folder / LOCKS)):
                return folder
    raise DataError(
        "no folder to keep decoded images in; set DIT_LITE_DATA to one that can "
        "be written"
    )


def store(
    name: str,
    sources: Sequence[Path],
    pictures: Iterable[np.ndarray],
    shape: tuple[int, ...],
) -> np.ndarray:
    """The decoded images (n, C, H, W), memory-mapped: from the cache, or written there
    now.

    `pictures` is only consumed when the cache does not hold what `sources` (absolute
    paths) contain; of several processes that need the same images, one decodes and the
    others wait. Raises DataError when the disk is full, or a source changed meanwhile.
    """
    folder = writable_cache()
    name = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:60]
    before = _stats(sources)
    key = _key(folder, sources, before, shape)
    images_at = folder / f"{name}-{key}.npy"
    if (found := _open(images_at, shape)) is not None:
        return found
    with alone(folder, key, name) as only:
        if (found := _open(images_at, shape)) is None:  # another process has made it
            _remove_remains(folder, key if only else None)
            _write(images_at, _counted(name, pictures, shape[0]), shape)
            if _stats(sources) != before:
                images_at.unlink(missing_ok=True)
                raise DataError(
                    f"the files of {name} changed while they were read; run it again "
                    "when they are complete"
                )
            found = np.load(images_at, mmap_mode="r")
    return found


def _stats(sources: Sequence[Path]) -> list[tuple[str, ...]]:
    try:
        return [(str(path), *fingerprint(path)) for path in sources]
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be read ({error.strerror}); run it again when "
            "the files are complete"
        ) from None


def _key(folder: Path, sources: Sequence[Path], stats: list, shape: tuple) -> str:
    """The key of a content: a hash of the paths, the bytes in them, the shape and the
    decoder.
    """
    memo = folder / SEEN / _digest([DECODER, shape, stats])
    with contextlib.suppress(OSError, ValueError):
        if re.fullmatch("[0-9a-f]{24}", known := memo.read_text()):
            return known
    contents = []
    for path in tqdm(
        sources, "looking for changes", unit="file", leave=False, delay=2,
        disable=page_is_built(),
    ):  # fmt: skip
        try:
            with open(path, "rb") as file:
                contents.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror or error}); change its "
                "permissions, or remove it"
            ) from None
    paths = [str(path) for path in sources]
    key = _digest([DECODER, shape, list(zip(paths, contents, strict=True))])
    if settled(stats):
        # without this record the next start only takes longer
        with contextlib.suppress(OSError):
            _put(memo, key.encode())
    return key


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:24]


def _put(path: Path, content: bytes) -> None:
    """A small file, whole or not at all."""
    part = _part_of(path)
    try:
        with open(part, "xb") as file:
            file.write(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    """A unique name for a file that is being written. It is opened with
    "x", so that no link is followed, and with the rights that the user gives to files.
    """
    return path.with_name(f".{path.stem}.{secrets.token_hex(8)}.part")


def _open(images_at: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array at a path, None where there is none; a damaged one is reported and
    removed.
    """
    about_at = images_at.with_suffix(".json")
    if not images_at.exists():
        return None
    try:
        about = json.loads(about_at.read_text())
        now = fingerprint(images_at)
        known = about["fingerprint"] == list(now) and about["settled"]
        images = np.load(images_at, mmap_mode="r", allow_pickle=False)
        if images.shape != tuple(shape) or images.dtype != np.uint8:
            raise ValueError(f"it holds {images.dtype} of shape {images.shape}")
        if not known:
            with open(images_at, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != about["sha256"]:
                    raise ValueError("its checksum differs")
            with contextlib.suppress(OSError):
                _describe(images_at, about["sha256"])
        return images
    except FileNotFoundError:  # killed between the two renames
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        warnings.warn(
            f"the decoded images {images_at} are damaged ({error}); they are made "
            "again",
            stacklevel=4,
        )
        with contextlib.suppress(OSError):
            images_at.unlink()
        return None


def _describe(images_at: Path, checksum: str) -> None:
    now = fingerprint(images_at)
    about = {"sha256": checksum, "fingerprint": now, "settled": settled([now])}
    _put(images_at.with_suffix(".json"), json.dumps(about).encode())


def _write(images_at: Path, pictures: Iterable[np.ndarray], shape: tuple) -> None:
    """Write an array beside its place and rename it. It is written, not mapped, so that
    a full disk raises an error instead of a signal.
    """
    size, part = int(np.prod(shape, dtype=object)), _part_of(images_at)
    try:
        with open(part, "xb") as file:
            _reserve(file, size, images_at.parent)
            writer = _Hashing(file)
            np.lib.format.write_array_header_1_0(
                writer, {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
            )
            count = 0
            for picture in pictures:
                if picture.shape != shape[1:] or picture.dtype != np.uint8:
                    raise DataError(
                        f"picture {count} is {picture.dtype} of shape {picture.shape}; "
                        f"expected uint8 of {shape[1:]}"
                    )
                writer.write(np.ascontiguousarray(picture).data)
                count += 1
            if count != shape[0]:
                raise DataError(
                    f"{count:,} pictures were read, but {shape[0]:,} were announced; "
                    "run it again when the files are complete"
                )
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, images_at)
        _describe(images_at, writer.digest.hexdigest())
    except OSError as error:
        free = shutil.disk_usage(images_at.parent).free
        raise DataError(
            f"cannot keep the decoded images in {images_at.parent} "
            f"({error.strerror or error}): they need {size / 1e6:,.1f} MB, but "
            f"{free / 1e6:,.1f} MB are free; free some space, choose a smaller "
            "image_size, or set DIT_LITE_DATA to another disk"
        ) from None
    finally:
        part.unlink(missing_ok=True)


class _Hashing:
    """A file that computes the checksum of what is written to it."""

    def __init__(self, file: BinaryIO):
        self.file, self.digest = file, hashlib.sha256()

    def write(self, content) -> int:
        self.digest.update(content)
        return self.file.write(content)


def _reserve(file: BinaryIO, size: int, folder: Path) -> None:
    """Reserve space for the whole array now, so that a full disk is noticed before an
    hour of decoding. Raises OSError.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size + 128)
        except OSError as error:
            # file systems that cannot reserve space
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    elif shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _counted(
    name: str, pictures: Iterable[np.ndarray], count: int
) -> Iterator[np.ndarray]:
    # the bar begins with the first picture: space is reserved before
    yield from tqdm(
        pictures, f"decoding {name}", count, unit="image", leave=False,
        disable=page_is_built(),
    )  # fmt: skip


@contextlib.contextmanager
def alone(folder: Path, key: str, name: str) -> Iterator[bool]:
    """One process at a time makes what belongs to a key. Where files cannot be locked
    (False) every process decodes for itself, into its own files.
    """
    lock_at = folder / LOCKS / f"{key}.lock"
    usable = os.access(lock_at, os.W_OK) or not lock_at.exists()  # else another user's
    with open(lock_at, "ab") if usable else contextlib.nullcontext() as lock:
        held = locked(lock) if lock else None
        if held is False:
            warnings.warn(
                f"another process is preparing {name}; waiting for it", stacklevel=4
            )
            held = locked(lock, wait=True)
        yield bool(held)


def _remove_remains(folder: Path, own: str | None, patience: float = 86_400) -> None:
    """Remove what dead processes have left half written: the files of a key that no
    process has locked or, where locking is impossible, those older than `patience`
    seconds. This process has locked the key `own`.
    """
    for part in folder.glob(".*.part"):
        key = part.name.split(".")[-3].rsplit("-", 1)[-1]
        with contextlib.suppress(OSError):
            if key == own:
                part.unlink()
                continue
            with open(folder / LOCKS / f"{key}.lock", "ab") as lock:
                free = locked(lock)
                if free is None:
                    free = time.time() - part.stat().st_mtime > patience
                if free:
                    part.unlink()
