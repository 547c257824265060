"""The built book in a real browser: from a server and from the file system, light
and dark, wide and narrow.
"""

from __future__ import annotations

import json
import re

import pytest
import torch
import yaml
from accessibility import faults_of_colour, faults_of_structure
from browser import visit
from site_build import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
NAMES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHAPTERS = [name for name in NAMES if name.startswith("chapters/")]
#: Code: cells, fenced blocks, and what `show_source` shows; not what cells print.
CODE = (
    ".bd-article :is(.cell_input, :not(.output) > div) > div.highlight > pre, .dit-code"
)
CUT = """all => all.filter(pre => pre.checkVisibility() && pre.scrollWidth > pre.clientWidth + 1)
    .map(pre => pre.textContent.slice(0, 200))"""
#: Blocks of code that are cut, or higher than their lines: one was broken.
TOO_WIDE = """() => [...document.querySelectorAll('.bd-article pre')]
    .filter(pre => pre.checkVisibility() && (pre.matches('.dit-code') || !pre.closest('.cell_output')))
    .filter(pre => {
        const style = getComputedStyle(pre);
        const text = pre.textContent.replace(/\\n$/, "").split("\\n").length;
        const room = pre.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
        const cut = pre.scrollWidth > pre.clientWidth + 1;
        return cut || room > (text + 0.6) * parseFloat(style.lineHeight);
    }).map(pre => pre.textContent.slice(0, 200))"""
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
def test_a_page_fits_a_phone(name, in_the_dark):
    page = in_the_dark(name, 360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.wait_for_function(
        "[...document.querySelectorAll('div.math')].every(node => "
        "node.querySelector('mjx-container'))"
    )
    assert page.evaluate(LOST) == [], (
        "a formula that is too long scrolls from its beginning"
    )
    assert page.locator(CODE).evaluate_all(CUT) == [], "code wraps"


@pytest.mark.parametrize("name", NAMES)
def test_a_dark_page_from_the_file_system_can_be_read(name, in_the_dark):
    page = in_the_dark(name, 1280)
    is_whole(page)
    assert faults_of_colour(page) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_prediction_hides_its_answer_until_the_reader_commits(name, in_the_dark):
    page = in_the_dark(name, 1280)
    boxes = page.locator(
        ".dit-explorer", has_text=re.compile("predict, then reveal", re.I)
    )
    assert boxes.count() >= 4
    for box in boxes.all():
        box.evaluate("box => box.closest('details')?.setAttribute('open', '')")
        reveal = box.locator("button", has_text="Reveal")
        assert reveal.is_disabled()
        before = box.inner_text()
        if (answers := box.locator("input[type=radio]")).count():
            answers.first.check()
        else:
            box.locator("input[type=range]").focus()
            page.keyboard.press("ArrowRight")
        reveal.click()
        assert len(box.inner_text()) > len(before)


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
def test_a_chapter_opens_in_colab_or_says_what_is_missing(name, read):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    links = read(name).locator("a[href*='colab.research.google.com']")
    missing = read(name).locator("a", has_text="Colab needs the repository's address")
    if url:
        place = f"{url.removeprefix('https://github.com/')}/blob/main/book/{name}.ipynb"
        assert place in links.first.get_attribute("href")
        assert missing.count() == 0
    else:
        assert links.count() == 0
        assert missing.first.get_attribute("href").endswith("#how-to-read-it")


def test_no_page_names_a_repository_that_nobody_owns(site):
    if not yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]:
        for page in site.rglob("*.html"):
            assert "github.com/dit-lite" not in page.read_text(encoding="utf-8"), page
        assert "dit-lite/dit-lite" not in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CHAPTERS])
def test_a_page_that_is_no_notebook_is_not_offered_to_colab(name, read):
    assert (
        read(name).locator("a[href*='colab.research.google.com/github']").count() == 0
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_are_folded(name, read):
    page = read(name)
    folded = page.locator("details.dit-solution")
    source = json.loads((ROOT / "book" / f"{name}.ipynb").read_text())
    assert folded.count() == sum(
        "solution" in c["metadata"].get("tags", []) for c in source["cells"]
    )
    assert not any(folded.evaluate_all("all => all.map(one => one.open)"))


@pytest.mark.parametrize("name", CHAPTERS)
def test_code_of_the_package_stands_without_the_call_that_shows_it(name, read):
    page = read(name)
    shown = page.locator(".dit-source:not(.dit-solution *)")
    assert shown.count() >= 4
    assert (
        "show_source(" not in page.locator(".bd-article .cell_input").all_inner_texts()
    )
    for block in shown.all():
        assert block.locator(".dit-source-from").text_content().startswith("dit_lite/")
        assert block.locator("pre .k").count() > 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_toggle_stands_alone_or_above_the_text(name, read):
    page = read(name)
    cells = page.locator(".bd-article div.cell:has(> details.above-input)")
    assert cells.count() > 5
    alone = cells.evaluate_all(
        "cells => cells.filter(cell => !cell.querySelector('.cell_output'))"
        ".map(cell => cell.textContent.slice(0, 100))"
    )
    assert alone == []
    first = page.locator(".bd-article :is(h2, details.above-input)").first
    assert first.evaluate("node => node.tagName") == "H2"


@pytest.mark.parametrize("name", NAMES)
def test_code_fits_the_page(name, read):
    """At 1280 pixels no line of visible code is cut or broken."""
    page = read(name)
    assert page.viewport_size["width"] == 1280
    for folded in page.locator("details.above-input").all():
        folded.evaluate("node => node.open = true")
    try:
        assert page.evaluate(TOO_WIDE) == []
    finally:
        for folded in page.locator("details.above-input").all():
            folded.evaluate("node => node.open = false")


def test_the_copy_button_copies_no_prompt(address, browser):
    seen = visit(
        browser,
        f"{address}/train_your_own.html",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = seen.page
    block = page.locator("div.highlight", has_text="$ python -m dit_lite train").first
    block.hover()
    block.locator("button.copybtn").click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.startsWith('python -m'))"
    )
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("python -m dit_lite train")
    assert "$" not in copied
    seen.check()
    page.context.close()


@pytest.mark.parametrize(
    ("name", "classes"),
    [("index", "38"), ("live", "38"), ("live_photos", ("frog", "truck"))],
)
def test_the_first_thing_a_visitor_can_do_is_make_a_picture(
    name, classes, address, clean_page
):
    page = clean_page(f"{address}/{name}.html", reduced_motion="reduce")
    explorer = page.locator(".dit-explorer").first
    story, canvas = (
        explorer.locator("output.dit-story").first,
        explorer.locator("canvas").first,
    )
    for one in classes:
        before = canvas.evaluate("c => c.toDataURL()")
        explorer.get_by_role("radio", name=one, exact=True).check()
        story.filter(has_text=f"Finished: class {one}.").wait_for()
        assert canvas.evaluate("c => c.toDataURL()") != before


def test_the_first_thing_a_visitor_can_do_with_words_is_to_write_some(
    address, clean_page
):
    page = clean_page(f"{address}/live_words.html", reduced_motion="reduce")
    explorer = page.locator(".dit-explorer").first
    story, canvas = (
        explorer.locator(".dit-words-run output.dit-story"),
        explorer.get_by_role("img", name="predicted image x0"),
    )
    field = explorer.get_by_role("textbox", name="caption")
    pictures = []
    for caption in ("a green cross on a dark background", "a large blue circle"):
        field.fill(caption)
        field.press("Enter")
        story.filter(has_text=f"Finished: “{caption}”. 25 steps").wait_for()
        pictures.append([float(v) for v in canvas.get_attribute("data-values").split()])
    green, blue = (torch.tensor(one).reshape(3, 32, 32) for one in pictures)
    assert (green[1] - green[2]).amax() > (blue[1] - blue[2]).amax()
    assert (blue[2] - blue[1]).amax() > (green[2] - green[1]).amax()


def test_every_gap_stands_in_the_appendix(read):
    text = read("appendix/claims").locator(".bd-article").inner_text()
    claims = yaml.safe_load((ROOT / "book/claims.yml").read_text())
    assert all(re.search(rf"\b{name}\b", text) for name in claims)
