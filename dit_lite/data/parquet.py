"""Image sets in the parquet layout of the Hugging Face hub: a column of encoded
pictures and a column of labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .dataset import DataError
from .store import decode, store

JPEG = b"\xff\xd8"  # how every JPEG begins


def find(root: Path, splits: tuple[str, ...]) -> list[Path]:
    """The parquet files of the first of `splits` that is there, anywhere below
    `root`.
    """
    for split in splits:
        if files := sorted(root.rglob(f"{split}-*.parquet")):
            return files
    return []


def read(
    name: str, files: list[Path], column: str, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, size, size) uint8 and labels (n,) int64 of hub parquet files;
    needs pyarrow.
    """
    try:
        import pyarrow.parquet as parquet
        from pyarrow.types import is_struct
    except ImportError:
        raise DataError(
            f"reading {files[0].name} needs pyarrow: pip install pyarrow"
        ) from None

    def open_table(file: Path) -> parquet.ParquetFile:
        try:
            table = parquet.ParquetFile(file)
        except (OSError, ValueError) as error:
            raise _broken(file, error) from None
        columns = {field.name: field.type for field in table.schema_arrow}
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
        return table

    def encoded(file: Path) -> Iterator[tuple[bytes, int]]:
        table = open_table(file)
        try:
            for batch in table.iter_batches(batch_size=512, columns=[column, "label"]):
                yield from zip(
                    batch[column].field("bytes").to_pylist(),
                    batch["label"].to_pylist(),
                    strict=True,
                )
        except (OSError, ValueError) as error:
            raise _broken(file, error) from None

    rows = sum(open_table(file).metadata.num_rows for file in files)
    pictures = (
        (decode(code, size, f"row {i} of {file}"), label)
        for file in files
        for i, (code, label) in enumerate(encoded(file))
    )
    return store(name, files, pictures, (rows, 3, size, size))


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
    "label" and "words"), else the class numbers.
    """
    for file in sorted(root.rglob("classes.json")):
        entries = json.loads(file.read_text())
        if isinstance(entries, list) and len(entries) == known:
            if all(
                isinstance(e, dict) and {"label", "words"} <= set(e) for e in entries
            ):
                entries = [
                    e["words"] for e in sorted(entries, key=lambda e: e["label"])
                ]
            return tuple(str(e).split(",")[0] for e in entries)
    return tuple(str(k) for k in range(known))
