"""`make shots`: every page of the book at 1280 and 390 pixels, light and dark, cut
into pieces that an eye can take in.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from browser import open_browser, serve, visit
from site_build import ROOT, current

OUT = ROOT / "build/shots"
PIECE = 2200  # pixels


def shoot(browser, url: str, name: str, width: int, scheme: str) -> int:
    """Write the pieces of one page; returns how many."""
    seen = visit(browser, url, width=width, height=PIECE, color_scheme=scheme)
    seen.settle()
    page = seen.page
    page.evaluate("document.fonts.ready")
    height = page.evaluate("document.documentElement.scrollHeight")
    pieces = -(-height // PIECE)
    for i in range(pieces):
        page.evaluate("top => scrollTo({ top, behavior: 'instant' })", i * PIECE)
        page.screenshot(
            path=OUT / f"{name}-{width}-{scheme}-{i + 1:02}.png", animations="disabled"
        )
    page.context.close()
    return pieces


def main(names: list[str]) -> None:
    """Shoot the pages of these names, or all; builds the book first when it is not
    of this state.
    """
    site = current()
    if site is None:
        subprocess.run(["make", "book"], cwd=ROOT, check=True)
        site = ROOT / "book/_build/html"
    shoot_all(
        site,
        names
        or sorted(
            str(path.relative_to(site).with_suffix(""))
            for path in site.rglob("*.html")
            if "_static" not in path.parts
        ),
    )


def shoot_all(site: Path, names: list[str]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names:
        for old in OUT.glob(f"{name.replace('/', '-')}-*.png"):
            old.unlink()
    with open_browser() as browser, serve(site) as address:
        pieces = sum(
            shoot(browser, f"{address}/{name}.html", name.replace("/", "-"), width,
            scheme)
            for name in names for width in (1280, 390) for scheme in ("light", "dark")
        )  # fmt: skip
    print(f"{pieces} pictures of {len(names)} pages in {OUT}")


if __name__ == "__main__":
    main(sys.argv[1:])
