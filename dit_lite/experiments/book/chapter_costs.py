"""What a chapter costs: minutes to read, seconds to run."""

import json
import os
import re
import time
from pathlib import Path

from ...config import ConfigError
from ...files.environment import resource
from ...lab import Parts, experiment

WORDS_A_MINUTE = 130  # of technical prose with formulas


def reading_minutes(notebook: Path) -> int:
    """Minutes to read the main path of a notebook: prose at WORDS_A_MINUTE, visible
    code at three seconds per line. Collapsed "Deeper: ..." sections and folded cells do
    not count.
    """
    words, lines, closed = 0, 0, 0  # closed: the level of the heading "Deeper", or 0
    for cell in json.loads(notebook.read_text())["cells"]:
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        if cell["cell_type"] == "markdown":
            for line in source.splitlines():
                if heading := re.match(r"(#+) (Deeper: )?", line):
                    level = len(heading[1])
                    if not closed or level <= closed:
                        closed = level if heading[2] else 0
                words += 0 if closed else len(line.split())
        elif not closed and not {"hide-input", "remove-input"} & set(tags):
            lines += len(source.splitlines())
    return round(words / WORDS_A_MINUTE + lines / 20)


@experiment(
    "How long does each chapter take to read and to run?",
    smoke=dict(only=["none"]),
    cpu=dict(only=None),
)
def chapter_costs(parts: Parts, only: list[str] | None) -> dict:
    """Execute every chapter from its first cell to its last, one at a time, at the
    build's budget.
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
