"""Image sets in the parquet layout of the Hugging Face hub: a column of encoded
pictures and a column of labels.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .dataset import MOST_CLASSES, DataError, check_labels_of, printable_name
from .pictures import decode
from .store import store

JPEG = b"\xff\xd8"  # how every JPEG begins
SHARD = re.compile(r"-(\d+)-of-(\d+)$")


def find(root: Path, splits: tuple[str, ...]) -> list[Path]:
    """The parquet files of the first of `splits` that is there, anywhere below
    `root` outside hidden folders.

    Raises DataError for a set that lacks a shard, and for two sets of one split.
    """
    for split in splits:
        files = sorted(
            file
            for file in root.rglob(f"{split}-*.parquet")
            if file.is_file()
            and not any(p.startswith(".") for p in file.relative_to(root).parts)
        )
        if files:
            _require_whole(files)
            return [file.parent.resolve() / file.name for file in files]
    return []


def _require_whole(files: list[Path]) -> None:
    """Check that files called NAME-00000-of-00002 are all there, once."""
    sets: dict[tuple[Path, int | None], list[int]] = {}
    for file in files:
        shard = SHARD.search(file.stem)
        total = int(shard[2]) if shard else None
        sets.setdefault((file.parent, total), []).append(int(shard[1]) if shard else 0)
    (folder, total), numbers = next(iter(sets.items()))
    if len(sets) > 1:
        (other, count) = list(sets)[1]
        raise DataError(
            f"two sets of one split: {_of(folder, total)} and {_of(other, count)}; "
            "keep one of them"
        )
    if total is None:
        return
    missing = sorted(set(range(min(total, MOST_CLASSES))) - set(numbers))
    if missing or len(numbers) != total:
        name = SHARD.sub("", files[0].stem)
        lacks = (
            f"lacks {name}-{missing[0]:05}-of-{total:05}.parquet"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            if missing
            else f"has {len(numbers)} files, though their names say {total}"
        )
        raise DataError(
            f"{folder} {lacks}: {len(numbers)} of {total} files are there; download "
            "the others too"
        )


def _of(folder: Path, total: int | None) -> str:
    return f"{folder}/*.parquet" if total is None else f"{folder}/*-of-{total:05}"


def read(
    name: str, files: list[Path], column: str, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, size, size) uint8 and labels (n,) int64 of hub parquet files;
    needs pyarrow.

    Raises DataError for files of another layout, pictures that cannot be read, and
    labels that are not whole numbers or name more than MOST_CLASSES classes.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
        from pyarrow.types import is_integer, is_struct
    except ImportError:
        raise DataError(
            f"reading {files[0].name} needs pyarrow: pip install pyarrow"
        ) from None
    unreadable = (OSError, ValueError, MemoryError, pyarrow.ArrowException)

    def open_table(file: Path) -> parquet.ParquetFile:
        try:
            table = parquet.ParquetFile(file)
            columns = {field.name: field.type for field in table.schema_arrow}
        except unreadable as error:
            raise _broken(file, error) from None
        if missing := {column, "label"} - set(columns):
            raise DataError(
                f"{file} has the columns {sorted(columns)}, not "
                f"{sorted(missing)}; expected the hub layout ({column}, label)"
            )
        if not (
            is_struct(columns[column]) and columns[column].get_field_index("bytes") >= 0
        ):
            raise DataError(
                f"{file} has a column {column} of type {columns[column]}; "
                "expected the hub layout, pictures as struct<bytes, path>"
            )
        if not is_integer(columns["label"]):
            raise DataError(
                f"{file} has a column label of type {columns['label']}; expected whole "
                "numbers, one per image"
            )
        return table

    def labels_of(file: Path) -> np.ndarray:
        try:
            labels = open_table(file).read(columns=["label"])["label"]
        except unreadable as error:
            raise _broken(file, error) from None
        if labels.null_count:
            raise DataError(
                f"{file} has {labels.null_count} images without a label; remove them, "
                "or take the split that has labels"
            )
        return check_labels_of(str(file), labels.to_numpy())

    def encoded(file: Path) -> Iterator[bytes | None]:
        table = open_table(file)
        try:
            for batch in table.iter_batches(batch_size=512, columns=[column]):
                yield from batch[column].field("bytes").to_pylist()
        except unreadable as error:
            raise _broken(file, error) from None

    # before any picture is decoded
    labels = np.concatenate([labels_of(file) for file in files])
    if not len(labels):
        raise DataError(f"{files[0]} holds no images; download it again")
    pictures = (
        decode(code, size, f"row {i} of {file}")
        for file in files
        for i, code in enumerate(encoded(file))
    )
    return store(name, files, pictures, (len(labels), 3, size, size)), labels


def caveat(name: str, files: list[Path], column: str) -> str:
    """What to say beside scores when pictures that `read` has read are stored as
    JPEG, judging by the first: "" for lossless ones.
    """
    import pyarrow.parquet as parquet

    first = (
        next(
            parquet.ParquetFile(files[0]).iter_batches(batch_size=1, columns=[column])
        )[column]
        .field("bytes")[0]
        .as_py()
    )
    if not first.startswith(JPEG):
        return ""
    return (
        f"The images of {name} are stored as JPEG here, which loses detail: no "
        "Fréchet distance against them can be compared with a published one."
    )


def _broken(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file} is not a readable parquet file "
        f"({' '.join(str(error).split())}); download it again"
    )


def class_names(root: Path, known: int) -> tuple[str, ...]:
    """Names from a classes.json below `root` (a list of names, or of records with
    "label" and "words") of `known` classes or more, else the class numbers.

    Raises DataError for a file that is not such a list.
    """
    for file in sorted(root.rglob("classes.json")):
        try:
            entries = json.loads(file.read_text())
            if not isinstance(entries, list) or not known <= len(entries):
                continue
            if len(entries) > MOST_CLASSES:
                raise ValueError(f"{len(entries):,} classes")
            if all(isinstance(e, dict) for e in entries):
                by_label = {e["label"]: e["words"] for e in entries}
                entries = [by_label[k] for k in range(len(entries))]
            names = tuple(e.split(",")[0] for e in entries)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{file} does not name classes ({error!r}); expected a list of names, "
                'or of {"label": 0, "words": "tench"} with the labels 0, 1, 2 ...'
            ) from None
        return tuple(printable_name(name, str(file)) for name in names)
    return tuple(str(k) for k in range(known))
