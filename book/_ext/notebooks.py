"""Keep the notebooks in one form: no outputs, a fixed install cell, no editor's
metadata, citations that any Markdown reads, and folded in JupyterLab and Colab what is
folded on the page. `--check` only says what is wrong.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml
from citations import cited

BOOK = Path(__file__).resolve().parent.parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("tags", "mystnb")
#: Tags by which a page hides code. What they mean in JupyterLab (`source_hidden`) and
#: in Colab (`cellView`) is written beside them.
FOLDED = {"hide-input", "remove-input", "remove-cell"}
#: The heading of a box that is closed at first.
DEEPER = re.compile(r"#{3,4} Deeper: ")
# Folded in JupyterLab and Colab, the cell shows its first line: what to do first.
UNSET = """\
# Run all cells to begin (JupyterLab: Run, Colab: Runtime)
# The package under this notebook
try:
    import dit_lite
except ImportError:
    raise ImportError(
        "This notebook needs the package dit_lite. In a clone of its repository: "
        "pip install -e '.[notebook]'. From the network it cannot be installed: "
        "this copy of the book names no repository (repository.url in _config.yml)."
    ) from None"""
INSTALL = """\
# Run all cells to begin (JupyterLab: Run, Colab: Runtime)
# The package under this notebook, installed where it is missing (Colab)
try:
    import dit_lite
except ImportError:
    %pip install -q "dit-lite[notebook] @ git+{url}"
    import dit_lite"""


def repository() -> str:
    """The address of the repository that owns this book; empty where nobody has said
    it yet.
    """
    return yaml.safe_load((BOOK / "_config.yml").read_text())["repository"]["url"] or ""


def install_cell(url: str) -> str:
    """The first cell of every chapter: installs the package from `url` where it is
    missing (Colab), does nothing elsewhere. Without a url it installs nothing, and says
    what is missing: a guessed address could belong to anyone.
    """
    return INSTALL.format(url=url) if url else UNSET


def is_deeper(cell: dict) -> bool:
    """Whether a cell opens a box of what only an expert misses: it and what stands
    below it, up to the next heading of its level, is closed at first.
    """
    first = "".join(cell["source"]).partition("\n")[0]
    return cell["cell_type"] == "markdown" and bool(DEEPER.match(first))


def metadata(cell: dict) -> dict:
    """The metadata that a cell keeps, and how notebooks show it."""
    kept = {k: v for k, v in cell["metadata"].items() if k in CELL_METADATA}
    if cell["cell_type"] == "code" and FOLDED & set(kept.get("tags", [])):
        kept |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
    if is_deeper(cell):
        kept["jp-MarkdownHeadingCollapsed"] = True
    return kept


def tidy(notebook: dict) -> dict:
    """The notebook as it should be stored. Raises CitationError for a citation that
    references.bib does not know.
    """
    cells = []
    for i, cell in enumerate(notebook["cells"]):
        clean = {
            "cell_type": cell["cell_type"],
            "id": cell.get("id") or f"cell-{i:03d}",
            "metadata": metadata(cell),
            "source": cell["source"],
        }
        if cell["cell_type"] == "code":
            clean |= {"execution_count": None, "outputs": []}
        if cell["cell_type"] == "markdown":
            clean["source"] = cited("".join(cell["source"])).splitlines(keepends=True)
        cells.append(clean)
    first = next((c for c in cells if c["cell_type"] == "code"), None)
    if first is not None and "install" in first["metadata"].get("tags", []):
        first["source"] = install_cell(repository()).splitlines(keepends=True)
    closed = [cell["id"] for cell in cells if is_deeper(cell)]
    colab = {"colab": {"collapsed_sections": closed}} if closed else {}
    return {
        "cells": cells,
        "metadata": METADATA | colab,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def main(check: bool) -> int:
    """Tidy every chapter, or say which are untidy; returns the number of those."""
    untidy = 0
    for path in sorted((BOOK / "chapters").glob("*.ipynb")):
        text = path.read_text()
        wanted = (
            json.dumps(
                tidy(json.loads(text)), indent=1, ensure_ascii=False, sort_keys=True
            )
            + "\n"
        )
        if text != wanted:
            untidy += 1
            found = (
                "stored with outputs, with citations that are not written out, or in "
                "another form; run `make format`"
            )
            print(f"{path.relative_to(BOOK.parent)}: {found if check else 'tidied'}")
            if not check:
                path.write_text(wanted)
    return untidy


if __name__ == "__main__":
    wrong = main("--check" in sys.argv)
    sys.exit(1 if wrong and "--check" in sys.argv else 0)
