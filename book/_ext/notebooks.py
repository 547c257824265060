"""Keep the notebooks in one form: no outputs, a fixed install cell, no editor's
metadata. `--check` only says what is wrong.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

BOOK = Path(__file__).resolve().parent.parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("tags", "mystnb")


def install_cell() -> str:
    """The first cell of every chapter: installs the package where it is missing
    (Colab), does nothing elsewhere.
    """
    url = yaml.safe_load((BOOK / "_config.yml").read_text())["repository"]["url"]
    return (
        "try:\n    import dit_lite\nexcept ImportError:\n    %pip install -q "
        f'"dit-lite[notebook] @ git+{url}"\n    import dit_lite'
    )


def tidy(notebook: dict) -> dict:
    """The notebook as it should be stored."""
    cells = []
    for i, cell in enumerate(notebook["cells"]):
        kept = {k: v for k, v in cell["metadata"].items() if k in CELL_METADATA}
        clean = {
            "cell_type": cell["cell_type"],
            "id": cell.get("id") or f"cell-{i:03d}",
            "metadata": kept,
            "source": cell["source"],
        }
        if cell["cell_type"] == "code":
            clean |= {"execution_count": None, "outputs": []}
        cells.append(clean)
    first = next((c for c in cells if c["cell_type"] == "code"), None)
    if first is not None and "install" in first["metadata"].get("tags", []):
        first["source"] = install_cell().splitlines(keepends=True)
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


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
            found = "stored with outputs or in another form; run `make format`"
            print(f"{path.relative_to(BOOK.parent)}: {found if check else 'tidied'}")
            if not check:
                path.write_text(wanted)
    return untidy


if __name__ == "__main__":
    wrong = main("--check" in sys.argv)
    sys.exit(1 if wrong and "--check" in sys.argv else 0)
