"""Decoding once: pictures of any kind become one memory-mapped uint8 array, written
whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..resources import data_root, page_is_built
from .dataset import DataError


def decode(encoded: bytes, size: int | None, where: str) -> np.ndarray:
    """A picture file as (3, size, size) uint8: the largest centred square, resized
    when `size` differs. Raises DataError naming `where`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(encoded)).convert("RGB")
    except UnidentifiedImageError:  # its own words name an object in memory
        raise DataError(
            f"{where} cannot be read as a picture (of no kind that is known); "
            "remove or replace it"
        ) from None
    except Exception as error:  # a decoder raises whatever it stumbles over
        raise DataError(
            f"{where} cannot be read as a picture ({error}); remove or replace it"
        ) from None
    if size is not None and picture.size != (size, size):
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.resize(
            (size, size),
            Image.Resampling.LANCZOS,
            box=(left, top, left + side, top + side),
        )
    return np.asarray(picture).transpose(2, 0, 1)


def writable_cache() -> Path:
    """A folder for decoded arrays: below the data root, or below the user's cache
    when the root is read-only.
    """
    for place in (
        data_root() / "decoded",
        Path.home() / ".cache" / "dit_lite" / "decoded",
        Path(tempfile.gettempdir()) / "dit_lite" / "decoded",
    ):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    raise DataError(
        "no folder to keep decoded images in; set DIT_LITE_DATA to one that can "
        "be written"
    )


def store(
    name: str,
    sources: Sequence[Path],
    pictures: Iterable[tuple[np.ndarray, int]],
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """The decoded images (n, C, H, W) and labels (n,), from the cache or written there
    now.

    The cache is keyed on the paths, sizes and modification times of `sources`, so that
    changed files are decoded again. `pictures` is only consumed on a miss.
    """
    stamp = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sources] + [
        shape
    ]
    key = hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:12]
    folder = writable_cache()
    images_at, labels_at = (
        folder / f"{name}-{key}.npy",
        folder / f"{name}-{key}.labels.npy",
    )
    if not (images_at.exists() and labels_at.exists()):
        parts = [at.with_suffix(f".part{os.getpid()}") for at in (images_at, labels_at)]
        labels = np.zeros(shape[0], dtype=np.int64)
        try:
            images = np.lib.format.open_memmap(
                parts[0], mode="w+", dtype=np.uint8, shape=shape
            )
            bar = tqdm(
                pictures,
                total=shape[0],
                desc=f"decoding {name}",
                unit="image",
                leave=False,
                disable=page_is_built(),
            )
            for i, (picture, label) in enumerate(bar):
                images[i], labels[i] = picture, label
            images.flush()
            del images
            with open(parts[1], "wb") as file:
                np.save(file, labels)
            os.replace(parts[1], labels_at)
            os.replace(parts[0], images_at)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)
    return np.load(images_at, mmap_mode="r"), np.load(labels_at)
