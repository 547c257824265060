"""What a page may cost its reader: bytes, time, text that jumps. And that it can be
searched and printed.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from accessibility import faults_of_colour, faults_of_structure
from browser import processor_time
from test_pages import CHAPTERS, NAMES

TOTAL, OURS = 3.5e6, 1.5e6  # bytes over the wire
WITH_WEIGHTS = 5e6  # of a page that carries a model of two million parameters
CARRY = ("live_photos", "live_words")
# The renderer's processor time, in units of that of a fixed piece of work, so that a
# slow or busy machine allows more: chapters took 1.7 to 3.3.
WORK = 6.0
FIXED_WORK = """() => {
    for (let i = 0; i < 20; i++) {
        document.body.innerHTML = '<p>a <b>word</b> and <i>another</i></p>'.repeat(1000);
        document.body.offsetHeight;
    }
}"""
# of the theme and of MathJax
THEIRS = re.compile(r"/(vendor/|_static/(?!dit_book\.css|logo\.svg))")
# How far what an explorer shows outgrows the room that was reserved for it.
GROWTH = """bodies => bodies.map(body => {
    const room = parseFloat(getComputedStyle(body).minHeight);
    body.style.minHeight = 0;
    const height = body.offsetHeight;
    body.style.removeProperty('min-height');
    return height - room;
})"""
CUT_OFF = """() => [...document.querySelectorAll('.dit-explorer, .dit-explorer canvas, .dit-figure, .dit-figure *, .bd-article pre, .bd-article table, mjx-container')]
    .filter(node => node.checkVisibility() && (node.getBoundingClientRect().right > innerWidth + 1 || node.matches('pre') && node.scrollWidth > node.clientWidth + 1))
    .map(node => node.outerHTML.slice(0, 100))"""


@cache
def size(file: Path) -> int:
    """Bytes of a file on its way to the reader."""
    return len(gzip.compress(file.read_bytes(), 6))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_light(name, visited, site):
    paths = {
        urlsplit(url).path for url in visited(name).requests if url.startswith("http")
    }
    sizes = {path: size(site / path[1:]) for path in paths}
    ours = sum(size for path, size in sizes.items() if not THEIRS.match(path))
    assert f"/{name}.html" in sizes
    total, most = (WITH_WEIGHTS,) * 2 if name in CARRY else (TOTAL, OURS)
    assert sum(sizes.values()) <= total, sizes
    assert ours <= most, sizes


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_soon_there(name, visited, browser):
    seen = visited(name)
    blank = browser.new_context().new_page()
    before = processor_time(blank)
    blank.evaluate(FIXED_WORK)
    unit = processor_time(blank) - before
    blank.context.close()
    assert seen.work / unit <= WORK


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not name.startswith("appendix/")]
)
def test_nothing_jumps_when_explorers_appear(name, visited):
    assert visited(name).shift < 0.05
    assert (
        max(visited(name).page.locator(".dit-body").evaluate_all(GROWTH), default=0)
        < 25
    ), "at most a line"


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_prints(name, read):
    page = read(name)
    page.emulate_media(media="print")
    # A4 with margins of a centimetre
    page.set_viewport_size({"width": 718, "height": 1000})
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        assert (
            not page.locator(".bd-sidebar-primary, .bd-header")
            .filter(visible=True)
            .count()
        )
        assert page.evaluate(CUT_OFF) == []
        for part in page.locator(".bd-article :is(.dit-explorer, .dit-figure)").all():
            assert part.bounding_box()["height"] > 50 or part.evaluate(
                "node => Boolean(node.closest('details:not([open])'))"
            )
    finally:
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1280, "height": 900})
        # 300 ms after a change of size the theme looks again which cells scroll
        page.wait_for_timeout(500)


def test_the_printed_chapter_has_pages(read):
    pdf = read(CHAPTERS[0]).pdf(format="A4", print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 8


def test_search_finds_a_chapter(address, clean_page):
    page = clean_page(f"{address}/appendix/notation.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("guidance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=guidance*")
    first = page.locator(
        "#search-results li a[href*='chapters/01_diffusion.html']"
    ).first
    first.wait_for()
    assert faults_of_structure(page) + faults_of_colour(page) == []
    first.click()
    page.wait_for_url("**/chapters/01_diffusion.html*")
    assert page.locator("h1").first.inner_text()
