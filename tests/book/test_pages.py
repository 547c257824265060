"""The built book in a real browser: from a server and from the file system, light
and dark, wide and narrow.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml
from accessibility import faults_of_colour, faults_of_structure
from site_build import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
NAMES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHAPTERS = [name for name in NAMES if name.startswith("chapters/")]
LOST = """() => [...document.querySelectorAll('div.math')]
    .filter(node => Math.min(...[...node.querySelectorAll('mjx-c')].map(sign => sign.getBoundingClientRect().left)) < node.getBoundingClientRect().left)
    .map(node => node.id || node.textContent)"""


def is_whole(page) -> None:
    """It has a title, no traceback, no object or figure that a cell left lying
    about, and no table that stayed text.
    """
    assert page.locator("h1").first.inner_text()
    assert (
        page.locator(
            ".cell_output img[src*='_images/'], .cell_output:text(' at 0x')"
        ).count()
        == 0
    )
    assert page.locator(".output.traceback, .cell_output .stderr").count() == 0
    # a file that is shown as it is may hold a table
    prose = page.locator(".bd-article p, .bd-article li").all_inner_texts()
    assert "|---" not in " ".join(prose).replace("—", "---"), "a table was not rendered"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_loads_without_errors_or_requests_to_elsewhere(name, read):
    is_whole(read(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_accessible(name, read):
    assert faults_of_structure(read(name)) + faults_of_colour(read(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_dark_page_from_the_file_system_fits_a_phone_and_can_be_read(
    name, site, clean_page
):
    page = clean_page((site / f"{name}.html").as_uri(), width=360, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.wait_for_function(
        "[...document.querySelectorAll('div.math')].every(node => "
        "node.querySelector('mjx-container'))"
    )
    assert page.evaluate(LOST) == [], (
        "a formula that is too long scrolls from its beginning"
    )
    page.set_viewport_size({"width": 1280, "height": 900})
    is_whole(page)
    assert faults_of_colour(page) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_words(name, read):
    page = read(name)
    mute = page.evaluate("""() => [...document.querySelectorAll('.bd-article img, .bd-article svg')].filter(e =>
        !e.closest('[role=img][aria-label], .dit-explorer, button') && !e.getAttribute('alt') && !e.getAttribute('aria-label')
        && e.getAttribute('aria-hidden') !== 'true').map(e => e.outerHTML.slice(0, 120))""")
    assert mute == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_formulas_are_set_without_a_network(name, read):
    page = read(name)
    page.wait_for_selector("mjx-container")
    assert page.locator("mjx-merror").count() == 0
    assert page.locator(".math.notranslate:not(:has(mjx-container))").count() == 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_opens_in_colab(name, read):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"][
        "url"
    ].removeprefix("https://github.com/")
    page = read(name)
    links = page.evaluate(
        "[...document.querySelectorAll('a[href*=\"colab.research.google.com\"]')].map(a "
        "=> a.href)"
    )
    assert (
        f"https://colab.research.google.com/github/{url}/blob/main/book/{name}.ipynb"
        in links
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CHAPTERS])
def test_a_page_that_is_no_notebook_is_not_offered_to_colab(name, read):
    assert (
        read(name).locator("a[href*='colab.research.google.com/github']").count() == 0
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_prediction_hides_its_answer_until_the_reader_commits(
    name, address, clean_page
):
    page = clean_page(f"{address}/{name}.html")
    boxes = page.locator(
        ".dit-explorer", has_text=re.compile("predict, then reveal", re.I)
    )
    assert boxes.count() >= 4
    for box in boxes.all():
        reveal = box.locator("button", has_text="Reveal")
        assert reveal.is_disabled()
        before = box.inner_text()
        box.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        reveal.click()
        assert len(box.inner_text()) > len(before)


@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_are_folded(name, read):
    page = read(name)
    folded = page.locator("details:has-text('# Solution')")
    source = json.loads((ROOT / "book" / f"{name}.ipynb").read_text())
    assert folded.count() == sum(
        "solution" in c["metadata"].get("tags", []) for c in source["cells"]
    )
    assert not any(folded.nth(i).evaluate("e => e.open") for i in range(folded.count()))


@pytest.mark.parametrize("name", ["index", "live"])
def test_the_first_thing_a_visitor_can_do_is_make_a_picture(name, address, clean_page):
    page = clean_page(f"{address}/{name}.html", reduced_motion="reduce")
    explorer = page.locator(".dit-explorer").first
    story, canvas = (
        explorer.locator("output.dit-story").first,
        explorer.locator("canvas").first,
    )
    for digit in ("3", "8"):
        before = canvas.evaluate("c => c.toDataURL()")
        explorer.get_by_role("radio", name=digit, exact=True).check()
        story.filter(has_text=f"Finished: class {digit}.").wait_for()
        assert canvas.evaluate("c => c.toDataURL()") != before


def test_every_gap_stands_in_the_appendix(read):
    text = read("appendix/claims").locator(".bd-article").inner_text()
    claims = yaml.safe_load((ROOT / "book/claims.yml").read_text())
    assert all(re.search(rf"\b{name}\b", text) for name in claims)
