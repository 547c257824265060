"""Small sets of pictures on disk, in the layouts that the package reads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """An empty data root of the test's own."""
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "root"


@pytest.fixture(scope="session")
def pixels():
    """A function that makes n random images (n, 3, size, size) uint8."""
    return lambda n, size, seed=0: np.random.default_rng(seed).integers(
        0, 256, (n, 3, size, size), dtype=np.uint8
    )


@pytest.fixture(scope="session")
def png():
    """A function that encodes one image (3, H, W) as a PNG file."""

    def encode(image: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, format="PNG")
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def write_parquet(png):
    """A function that writes images and labels as a parquet file in the hub's
    layout.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(path: Path, images: np.ndarray, labels, column: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(images)
        ]
        pq.write_table(
            pa.table(
                {column: rows, "label": pa.array([int(k) for k in labels], pa.int64())}
            ),
            path,
        )

    return write
