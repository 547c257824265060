"""The other homes of an explorer: a sandboxed frame without anywidget, as in Colab,
and JupyterLab with a kernel that recomputes.
"""

from __future__ import annotations

import json
import re
import sys
from html import escape

import numpy as np
import pytest
from browser import PATIENCE, pixels
from jupyterlab_server import notebook_of
from site_build import ROOT
from test_explorers import FRAMES, GUIDANCE, X0, S, everything

from dit_lite.widgets import sampling_explorer

pytestmark = pytest.mark.browser


def test_without_anywidget_explorers_work_in_a_sandboxed_frame(
    tmp_path, clean_page, monkeypatch
):
    monkeypatch.delenv("DIT_LITE_STATIC", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    explorer = sampling_explorer(
        FRAMES[:, 0],
        X0[:, 0],
        np.linspace(1, 0, S + 1),
        {"guidance": GUIDANCE},
        on={"seed": lambda widget: None},
    )
    outputs = [explorer, *everything()]
    frames = "".join(
        (
            '<iframe sandbox="allow-scripts" width="600" height="700" '
            f'srcdoc="{escape(output.data)}"></iframe>'
        )
        for output in outputs
    )
    (tmp_path / "page.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" '
        f'href="data:,"><body>{frames}',
        encoding="utf-8",
    )
    page = clean_page((tmp_path / "page.html").as_uri())
    for i in range(len(outputs)):
        page.frame_locator("iframe").nth(i).locator(
            ".dit-body > :nth-child(2), figure"
        ).first.wait_for(state="attached")
    frame = page.frame_locator("iframe").first
    assert frame.get_by_role("button", name="new seed").count() == 0, (
        "no kernel would answer it"
    )
    state = frame.get_by_role("img", name="state x_t")
    frame.get_by_role("radio", name="1.5").check()
    assert (pixels(state) == FRAMES[1, 0, 8]).all()
    frame.get_by_role("slider", name="step").press("ArrowRight")
    assert (pixels(state) == FRAMES[1, 0, 9]).all()


def draw(seed: int) -> np.ndarray:
    """What the kernel of the notebook below computes: three grey states."""
    return np.random.default_rng(seed).integers(0, 256, (3, 4, 4), dtype=np.uint8)


LIVE = """import numpy as np

from dit_lite.widgets import sampling_explorer


def draw(seed):
    return np.random.default_rng(seed).integers(0, 256, (3, 4, 4), dtype=np.uint8)


def recompute(widget):
    widget.frames, widget.x0 = draw(widget.seed), draw(widget.seed + 100)


sampling_explorer(draw(0), draw(100), [1.0, 0.5, 0.0], on={"seed": recompute}, step=1)"""


def test_in_jupyterlab_the_kernel_recomputes_and_arrow_keys_stay_with_the_explorer(
    lab, browser
):
    seen = lab.open(browser, "live", notebook_of(LIVE, "1 + 1"))
    page = seen.page
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    state, predicted = (
        page.get_by_role("img", name=name)
        for name in ("state x_t", "predicted image x0")
    )
    state.wait_for()

    def shows(seed: int, step: int) -> None:
        for canvas, source in ((state, draw(seed)), (predicted, draw(seed + 100))):
            for _ in range(PATIENCE // 100):
                if (pixels(canvas)[..., 0] == source[step]).all():
                    break
                page.wait_for_timeout(100)
            assert (pixels(canvas)[..., 0] == source[step]).all(), (seed, step)

    shows(0, 1)
    page.get_by_role("slider", name="step").press("ArrowRight")
    shows(0, 2)
    again = page.get_by_role("button", name="new seed")
    again.click()
    shows(1, 2)
    again.press("Enter")
    shows(2, 2)
    for key in ("ArrowDown", "ArrowUp", "ArrowLeft"):
        page.get_by_role("slider", name="step").press(key)
    shows(2, 1)
    active = page.locator(".jp-Cell").evaluate_all(
        "cells => cells.map(cell => cell.classList.contains('jp-mod-active'))"
    )
    assert active == [True, False], "JupyterLab took no arrow key"
    assert not seen.blocked, seen.blocked
    page.context.close()


CHAPTER = "02_patching"
RAW = re.compile(r"\{[a-z]+\}`|```\{|literalinclude")
#: What a card looks like where it stands: its bar, and whether its colours follow the
#: theme.
LOOK = """card => {
    const style = getComputedStyle(card);
    return [style.borderLeftWidth, style.borderLeftColor, style.backgroundColor, style.color];
}"""


def luminance(color: str) -> float:
    """Of a CSS colour, 0 to 1."""
    red, green, blue = (int(v) for v in re.findall(r"\d+", color)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


@pytest.fixture(scope="module")
def chapter_in_lab(lab, browser):
    """A chapter in JupyterLab after *Run All Cells*: the page, and the notebook."""
    source = (ROOT / f"book/chapters/{CHAPTER}.ipynb").read_text(encoding="utf-8")
    seen = lab.open(browser, "chapter", source)
    page = seen.page
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = page.locator(".jp-CodeCell").last.locator(".dit-solution")
    last.wait_for(state="attached", timeout=5 * PATIENCE)
    yield page, json.loads(source)
    assert not seen.blocked, seen.blocked
    page.context.close()


def test_run_all_reaches_the_end_in_jupyterlab(chapter_in_lab):
    page, notebook = chapter_in_lab
    cells = page.locator(".jp-Notebook .jp-Cell")
    assert cells.count() == len(notebook["cells"])
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    stubs = [
        c for c in notebook["cells"] if "exercise" in c["metadata"].get("tags", [])
    ]
    assert page.locator(".dit-check", has_text="not yet").count() == len(stubs)


def test_no_markup_of_the_page_is_left_in_jupyterlab(chapter_in_lab):
    page, _ = chapter_in_lab
    prose = " ".join(page.locator(".jp-RenderedMarkdown").all_inner_texts())
    assert len(prose.split()) > 2000
    assert not RAW.search(prose)
    assert page.locator(".jp-RenderedMarkdown mjx-merror").count() == 0
    # citations are links, with author and year
    cited = page.locator(".jp-RenderedMarkdown a[href*='arxiv.org/abs/']")
    names = cited.all_inner_texts()
    assert len(names) >= 10
    assert all(re.fullmatch(r"[^,]+, \d{4}[a-z]?", name) for name in names)


def test_code_of_the_package_is_highlighted_in_jupyterlab(chapter_in_lab):
    page, notebook = chapter_in_lab
    shown = page.locator(".dit-source:not(.dit-solution *) .dit-code")
    assert shown.count() == sum(
        "show_source(" in "".join(c["source"]).split("\n")[-1]
        for c in notebook["cells"]
    )
    code = shown.first
    assert code.is_visible()
    assert code.inner_text().startswith("def patchify")
    plain, keyword = (
        node.evaluate("node => getComputedStyle(node).color")
        for node in (code, code.locator(".k").first)
    )
    assert plain != keyword


def test_what_a_page_folds_is_folded_in_jupyterlab(chapter_in_lab):
    page, notebook = chapter_in_lab
    closed = 0  # the level of the closed heading that a cell stands under
    for i, cell in enumerate(notebook["cells"]):
        heading = re.search("^#+ ", "".join(cell["source"]), re.M)
        level = len(heading[0]) - 1 if heading else 0
        if cell["cell_type"] == "markdown" and level and not 0 < closed < level:
            closed = level * ("jp-MarkdownHeadingCollapsed" in cell["metadata"])
        if cell["cell_type"] == "code":
            editor = page.locator(".jp-Notebook .jp-Cell").nth(i).locator(".cm-content")
            folded = "jupyter" in cell["metadata"] or closed > 0
            assert (editor.filter(visible=True).count() == 0) == folded, cell["id"]
    solutions = page.locator("details.dit-solution")
    assert solutions.count() == 5
    assert not any(solutions.evaluate_all("all => all.map(one => one.open)"))
    assert solutions.locator(".dit-code").filter(visible=True).count() == 0
    solutions.first.locator("summary").click()
    assert "def cut(x, P)" in solutions.first.locator(".dit-code").inner_text()


def test_answers_of_predictions_stay_closed_in_jupyterlab(chapter_in_lab):
    page, _ = chapter_in_lab
    questions = page.locator(
        ".dit-explorer", has_text=re.compile("predict, then", re.I)
    )
    assert questions.count() >= 4
    for box in questions.all():
        assert box.locator("button", has_text="Reveal").is_disabled()
        assert box.locator(".dit-explanation").count() == 0


def test_cards_keep_their_look_in_jupyterlab_light_and_dark(chapter_in_lab):
    page, _ = chapter_in_lab
    cards = page.locator(".dit-card-bar")
    assert cards.count() > 10
    light = cards.evaluate_all(f"cards => cards.map({LOOK})")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    try:
        dark = cards.evaluate_all(f"cards => cards.map({LOOK})")
    finally:
        page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    for (width, *_, ground, ink), (_, _, night, glow) in zip(light, dark, strict=True):
        assert width == "4px"
        assert luminance(ground) > 0.9 > 0.3 > luminance(ink)
        assert luminance(night) < 0.3 < 0.6 < luminance(glow)
    assert len({bar for _, bar, *_ in light}) >= 3, "a colour for each verdict"
