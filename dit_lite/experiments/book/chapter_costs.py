"""What a chapter costs: minutes to read, seconds to run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ...config import ConfigError
from ...files.environment import resource
from ...lab import Parts, experiment

WORDS_A_MINUTE = 130  # of technical prose with formulas


def reading_minutes(notebook: Path) -> int:
    """Minutes to read the prose of a notebook at WORDS_A_MINUTE, code cells at a
    line every three seconds.
    """
    cells = json.loads(notebook.read_text())["cells"]
    words = sum(
        len("".join(c["source"]).split()) for c in cells if c["cell_type"] == "markdown"
    )
    lines = sum(
        len("".join(c["source"]).splitlines())
        for c in cells
        if c["cell_type"] == "code"
    )
    return round(words / WORDS_A_MINUTE + lines / 20)


@experiment(
    "How long does each chapter take to read and to run?",
    smoke=dict(only=["none"]),
    cpu=dict(only=None),
)
def chapter_costs(parts: Parts, only: list[str] | None) -> dict:
    """Execute every chapter from its first cell to its last, one at a time, at the
    budget of a build.
    """
    folder = resource("book/chapters")
    if not folder.is_dir():
        raise ConfigError(
            f"there are no chapters in {folder}; run this in a checkout of the "
            "repository"
        )
    names = [
        path.stem
        for path in sorted(folder.glob("*.ipynb"))
        if not only or path.stem in only
    ]
    return {
        "rows": dict(
            zip(
                names,
                parts.map(one_chapter, [dict(chapter=name) for name in names]),
                strict=True,
            )
        )
    }


def one_chapter(chapter: str) -> dict:
    """Execute one chapter; minutes to read and seconds to run it."""
    import nbformat
    from nbclient import NotebookClient

    path = resource("book/chapters") / f"{chapter}.ipynb"
    os.environ["DIT_LITE_STATIC"] = "1"
    began = time.perf_counter()
    NotebookClient(
        nbformat.read(path, 4),
        timeout=600,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    return {
        "read_minutes": reading_minutes(path),
        "cpu_seconds": round(time.perf_counter() - began, 1),
    }
