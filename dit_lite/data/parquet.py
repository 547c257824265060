"""Image sets in the parquet layout of the Hugging Face hub: a column of encoded pictures and a column of labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .dataset import DataError
from .store import decode, store


def find(root: Path, splits: tuple[str, ...]) -> list[Path]:
    """The parquet files of the first of `splits` that is there, anywhere below `root`."""
    for split in splits:
        if files := sorted(root.rglob(f"{split}-*.parquet")):
            return files
    return []


def read(name: str, files: list[Path], column: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, size, size) uint8 and labels (n,) int64 of hub parquet files; needs pyarrow."""
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(f"reading {files[0].name} needs pyarrow: pip install pyarrow") from None
    try:
        rows = sum(parquet.read_metadata(f).num_rows for f in files)
        columns = set(parquet.read_schema(files[0]).names)
    except (OSError, ValueError) as error:
        raise DataError(f"{files[0]} is not a readable parquet file ({error}); download it again") from None
    if missing := {column, "label"} - columns:
        raise DataError(f"{files[0]} has the columns {sorted(columns)}, not {sorted(missing)}; expected the hub layout ({column}, label)")

    def pictures() -> Iterator[tuple[np.ndarray, int]]:
        for file in files:
            for batch in parquet.ParquetFile(file).iter_batches(batch_size=512, columns=[column, "label"]):
                for i, row in enumerate(batch.to_pylist()):
                    yield decode(row[column]["bytes"], size, f"row {i} of {file}"), row["label"]

    return store(name, files, pictures(), (rows, 3, size, size))


def class_names(root: Path, known: int) -> tuple[str, ...]:
    """Names from a classes.json below `root` (a list of names, or of records with "label" and "words"), else the class numbers."""
    for file in sorted(root.rglob("classes.json")):
        entries = json.loads(file.read_text())
        if isinstance(entries, list) and len(entries) == known:
            if all(isinstance(e, dict) and {"label", "words"} <= set(e) for e in entries):
                entries = [e["words"] for e in sorted(entries, key=lambda e: e["label"])]
            return tuple(str(e).split(",")[0] for e in entries)
    return tuple(str(k) for k in range(known))
