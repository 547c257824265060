"""Write what follows from book/chapters.yml: the tables of chapters in README.md and
book/index.md, and _toc.yml. `--check` only says what is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MARKS = re.compile(r"(<!-- chapters -->\n)(.*?)(<!-- end of chapters -->\n)", re.DOTALL)


def read() -> dict:
    """The pages of the book. Raises ValueError for a page or a room that is not there,
    and for a notebook that is not listed.
    """
    book = yaml.safe_load((ROOT / "book/chapters.yml").read_text())
    listed = [page["file"] for page in book["begin"] + book["chapters"]]
    listed += [page["file"] for page in book["appendix"]]
    for page in listed:
        if not any((ROOT / f"book/{page}.{kind}").exists() for kind in ("md", "ipynb")):
            raise ValueError(f"book/chapters.yml: there is no page {page!r}")
    for path in sorted((ROOT / "book/chapters").glob("*.ipynb")):
        if f"chapters/{path.stem}" not in listed:
            raise ValueError(f"{path.name} has no entry in book/chapters.yml; add one")
    for page in book["begin"] + book["chapters"]:
        if missing := {"title", "you_will", "rooms"} - page.keys():
            raise ValueError(
                f"book/chapters.yml: {page['file']} has no {', '.join(sorted(missing))}"
            )
        if page["title"].lower() in map(str.lower, book["planned"]):
            raise ValueError(
                f"book/chapters.yml: {page['file']} is there; take "
                f"{page['title'].lower()!r} out of `planned`"
            )
        for room in page["rooms"]:
            if not (ROOT / "dit_lite" / room).exists():
                raise ValueError(f"{page['file']}: there is no room dit_lite/{room}")
    return book


def number(page: dict) -> int | None:
    """Of a chapter."""
    found = re.match(r"chapters/(\d+)_", page["file"])
    return int(found[1]) if found else None


def title(page: dict) -> str:
    """As listed, with the number of a chapter in front."""
    n = number(page)
    return f"{n}&nbsp;·&nbsp;{page['title']}" if n else page["title"]


def room_name(room: str) -> str:
    """`model/patching` for a file, `diffusion/` for a folder."""
    return str(Path(room).with_suffix("")) + ("" if Path(room).suffix else "/")


def descriptions(book: dict) -> dict[str, str]:
    """{page: what search engines and previews say of it}."""
    pages = book["begin"] + book["chapters"] + book["appendix"]
    return {"index": book["description"]} | {
        page["file"]: page["you_will"][0].upper() + page["you_will"][1:] + "."
        for page in pages
    }


def readme_table(book: dict) -> str:
    """The table for the front page, whose links are those of the repository."""
    rows = ["| chapter | code |", "|---|---|"]
    for page in book["begin"] + book["chapters"]:
        kind = "ipynb" if page["file"].startswith("chapters/") else "md"
        rooms = ", ".join(f"[{room_name(r)}](dit_lite/{r})" for r in page["rooms"])
        rows.append(f"| [{title(page)}](book/{page['file']}.{kind}) | {rooms} |")
    return "\n".join(rows) + f"\n\n{still_to_come(book)}\n"


def index_table(book: dict) -> str:
    """The table for the first page, whose links are those of the book."""
    rows = ["| chapter | you will | code |", "|---|---|---|"]
    for page in book["begin"] + book["chapters"]:
        rooms = ", ".join(f"`{room_name(room)}`" for room in page["rooms"])
        rows.append(
            f"| [{title(page)}]({page['file']}) | {page['you_will']} | {rooms} |"
        )
    return "\n".join(rows) + (
        f"\n\n{still_to_come(book)} A chapter is added once every one of its claims "
        "has a cell that tests it.\n"
    )


def still_to_come(book: dict) -> str:
    """The chapters without a page."""
    *most, last = book["planned"]
    return f"Still to come: {', '.join(most)}, and {last}."


def toc(book: dict) -> str:
    """_toc.yml, as Jupyter Book reads it."""
    parts = {
        "To begin with": book["begin"],
        "Chapters": book["chapters"],
        "Appendix": book["appendix"],
    }
    lines = [
        "# The order of the book, written by `make format` from book/chapters.yml.",
        "# book/_toc.yml is a link to this file.",
        "format: jb-book", "root: index", "parts:",
    ]  # fmt: skip
    for caption, pages in parts.items():
        lines += [f"  - caption: {caption}", "    chapters:"]
        for page in pages:
            lines += [f"      - file: {page['file']}"]
            if number(page):
                name = title(page).replace("&nbsp;", " ")
                lines += [f"        title: {name}"]
    return "\n".join(lines) + "\n"


def main(check: bool) -> int:
    """Write what is out of date, or say what is; returns the number of those files."""
    book, stale = read(), 0
    for name, made in (("README.md", readme_table), ("book/index.md", index_table)):
        text = (ROOT / name).read_text()
        if not MARKS.search(text):
            raise ValueError(f"{name} has no <!-- chapters --> for its table")
        wanted = MARKS.sub(lambda m, made=made: m[1] + made(book) + m[3], text)
        stale += update(ROOT / name, wanted, check)
    return stale + update(ROOT / "_toc.yml", toc(book), check)


def update(path: Path, wanted: str, check: bool) -> bool:
    """Whether a file was not as wanted; it is written unless `check`."""
    if path.read_text() == wanted:
        return False
    found = "not as book/chapters.yml says; run `make format`" if check else "written"
    print(f"{path.relative_to(ROOT)}: {found}")
    if not check:
        path.write_text(wanted)
    return True


if __name__ == "__main__":
    stale = main("--check" in sys.argv)
    sys.exit(1 if stale and "--check" in sys.argv else 0)
