"""The zero-init laboratory in a real browser: what it shows is what Python computes,
by mouse and by keyboard.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from browser import pixels

from dit_lite import DiTConfig
from dit_lite.analysis import GROUPS, READINGS, initial_branches
from dit_lite.widgets import zero_init_explorer

pytestmark = pytest.mark.browser
IMAGE = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
FOUND = initial_branches(DiTConfig(width=32), IMAGE)
LITERAL, ORDINARY, GATED = READINGS
STEPS = 6
NORMS = {
    name: 10.0 ** np.random.default_rng(i).uniform(-6, 1, (STEPS, len(GROUPS)))
    for i, name in enumerate(READINGS)
}
for name, late in {
    LITERAL: [2, 1, 1, 1, 1, 0, 1, 0],
    ORDINARY: [2, 1, 1, 1, 1, 0, 1, 0],
    GATED: [2, 1, 2, 2, 2, 1, 1, 0],
}.items():
    for group, first in enumerate(late):
        NORMS[name][:first, group] = 0  # asleep before its first gradient
    if name != GATED:
        NORMS[name][:, list(GROUPS).index("gates")] = np.nan


def laboratory(**first):
    return zero_init_explorer(*FOUND, NORMS, list(GROUPS), **first)


def meters(page) -> dict[str, float]:
    return {
        key: float(page.locator(f'[data-key="{key}"]').get_attribute("data-value"))
        for key in ("change", "spread", "response")
    }


def expected(reading: str, gate: float) -> dict[str, float]:
    x, F = FOUND.tokens.astype(float), FOUND.branches[reading].astype(float)
    return {
        "change": gate * np.linalg.norm(F) / np.linalg.norm(x),
        "spread": np.linalg.norm(F - F.mean(0)) / np.linalg.norm(F),
        "response": gate * FOUND.sensitivities[reading],
    }


def stories(page) -> list[str]:
    return [story.inner_text() for story in page.locator(".dit-story").all()]


def choose(page, reading: str) -> None:
    page.get_by_role("radio", name=reading).check()


def test_numbers_follow_the_reading_and_the_gate(show):
    page = show(laboratory())
    gate = page.get_by_role("slider", name="gate")
    assert meters(page) == pytest.approx(expected(LITERAL, 1.0), rel=1e-5)
    assert meters(page)["spread"] == meters(page)["response"] == 0, "exactly"
    assert "same vector to every token, whatever the image" in stories(page)[0]
    choose(page, ORDINARY)
    assert meters(page) == pytest.approx(expected(ORDINARY, 1.0), rel=1e-5)
    assert f"{100 * expected(ORDINARY, 1.0)['change']:.0f} %" in stories(page)[0]
    page.keyboard.press("ArrowRight")  # the readings are one group
    assert page.get_by_role("radio", name=GATED).is_checked()
    assert gate.input_value() == "0", "each reading starts with its own gate"
    assert meters(page)["change"] == meters(page)["response"] == 0, (
        "the identity, exactly"
    )
    gate.focus()
    for key, value in [
        ("ArrowRight", 0.01),
        ("PageUp", 0.11),
        ("End", 1.0),
        ("ArrowLeft", 0.99),
    ]:
        page.keyboard.press(key)
        assert meters(page) == pytest.approx(expected(GATED, value), rel=1e-4)
        assert (
            f"{value:.2f} · F(1 · LN(x) + 0)"
            in page.locator(".dit-equation").inner_text()
        )
    box = gate.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2)
    assert meters(page) == pytest.approx(expected(GATED, 0.5), rel=0.03)
    choose(page, LITERAL)
    assert gate.input_value() == "1"
    assert "F(0 · LN(x) + 1)" in page.locator(".dit-equation").inner_text()


def test_pictures_show_the_tokens_the_branch_and_their_sum(show):
    page = show(laboratory())
    shown = {
        name: page.get_by_role("img", name=name, exact=True)
        for name in ("tokens", "branch", "block")
    }

    def check(reading: str, gate: float) -> None:
        x, F = FOUND.tokens, FOUND.branches[reading]
        for name, values in {
            "tokens": x,
            "branch": gate * F,
            "block": x + gate * F,
        }.items():
            red, _, blue = np.moveaxis(pixels(shown[name]).astype(int), -1, 0)
            assert red.shape == x.shape, "a row is a token, a column a channel"
            strong = np.abs(values) > 0.1
            assert (np.sign(red - blue)[strong] == np.sign(values)[strong]).all(), (
                "orange above zero, blue below"
            )

    check(LITERAL, 1.0)
    assert np.ptp(pixels(shown["branch"]), axis=0).max() == 0, (
        "every token gets the same answer"
    )
    choose(page, ORDINARY)
    check(ORDINARY, 1.0)
    assert np.ptp(pixels(shown["branch"]), axis=0).max() > 20
    choose(page, GATED)
    assert (pixels(shown["tokens"]) == pixels(shown["block"])).all()
    page.get_by_role("slider", name="gate").fill("0.4")
    check(GATED, 0.4)


def test_gradients_are_those_recorded_and_zeros_are_empty(show):
    page = show(laboratory(reading=GATED, step=0))
    for reading in (GATED, LITERAL):
        choose(page, reading)
        rows = page.get_by_role("row").all()
        assert [row.get_by_role("rowheader").inner_text() for row in rows] == list(
            GROUPS
        )
        for k, row in enumerate(rows):
            cells = row.get_by_role("cell").all()
            assert len(cells) == STEPS
            for s, cell in enumerate(cells):
                norm = NORMS[reading][s, k]
                assert float(
                    cell.get_attribute("data-norm").replace("NaN", "nan")
                ) == pytest.approx(norm, rel=1e-6, nan_ok=True)
                assert ("dit-zero" in cell.get_attribute("class")) == (norm == 0)
                assert (cell.inner_text() == "–") == bool(np.isnan(norm))
                share = float(
                    cell.evaluate(
                        "node => parseFloat(node.style.getPropertyValue('--share'))"
                    )
                )
                if norm > 0:
                    assert share > 0


def test_a_larger_norm_is_a_stronger_colour_for_all_readings_alike(show):
    page, seen = show(laboratory()), []
    for reading in READINGS:
        choose(page, reading)
        shares = page.get_by_role("cell").evaluate_all(
            "cells => cells.map(cell => [+cell.dataset.norm, "
            "parseFloat(cell.style.getPropertyValue('--share'))])"
        )
        seen += [(norm, share) for norm, share in shares if norm]
    norms, shares = np.array([pair for pair in seen if not np.isnan(pair[0])]).T
    order = norms.argsort()
    assert (np.diff(shares[order]) >= 0).all()
    assert np.ptp(shares) > 60


def test_steps_tell_who_wakes_up_by_keyboard_and_mouse(show):
    page = show(laboratory(reading=GATED, step=0))
    step = page.get_by_role("slider", name="training step")
    assert (
        stories(page)[1]
        == "Step 0: output receives its first gradient; 7 groups still get exactly 0."
    )
    step.focus()
    page.keyboard.press("ArrowRight")
    assert stories(page)[1] == (
        "Step 1: patch embedding, gates, and final modulation receive their "
        "first gradient; 4 groups still get exactly 0."
    )
    assert page.locator(".dit-group.dit-woken").all_inner_texts() == [
        "patch embedding",
        "gates",
        "final modulation",
    ]
    assert page.locator(".dit-group.dit-asleep").all_inner_texts() == [
        "time and label",
        "attention",
        "MLP",
        "scale and shift",
    ]
    page.keyboard.press("ArrowRight")
    assert (
        "time and label, attention, MLP, and scale and shift receive their first "
        "gradient; every group gets one."
    ) in stories(page)[1]
    page.keyboard.press("End")
    assert stories(page)[1] == "Step 5: no group is new; every group gets one."
    box = step.bounding_box()
    page.mouse.click(
        box["x"] + 8 + (box["width"] - 16) / 5, box["y"] + box["height"] / 2
    )
    assert step.input_value() == "1"
    page.get_by_role("row").first.get_by_role("cell").nth(3).click()
    assert step.input_value() == "3"
    assert stories(page)[1].startswith("Step 3:")
    choose(page, LITERAL)
    page.keyboard.press("Home")  # moves nothing: the readings have the focus
    assert stories(page)[1].startswith("Step 3:")
    step.fill("1")
    assert stories(page)[1] == (
        "Step 1: patch embedding, attention, MLP, scale and shift, and final "
        "modulation receive their first gradient; one group still gets exactly 0."
    )


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_page_fits_its_width_and_nothing_moves(show, width):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })</script>"
    )
    page = show(laboratory(), after=watch, width=width, has_touch=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = (
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => "
        "[box.width, box.height])"
    )
    assert np.min(page.locator(".dit-option").evaluate_all(sizes)) >= 40
    assert all(
        height >= 40
        for _, height in page.locator("input[type=range]").evaluate_all(sizes)
    )
    page.wait_for_timeout(200)
    assert page.evaluate("shift") < 0.05
    body = page.locator(".dit-body")
    height = body.evaluate("node => node.offsetHeight")
    spare = body.evaluate(
        "node => { const room = parseFloat(getComputedStyle(node).minHeight); "
        "node.style.minHeight = 0; return room - node.offsetHeight }"
    )
    assert -25 < spare < 40
    for reading in READINGS:
        choose(page, reading)
        for gate in ("0.37", "0"):
            page.get_by_role("slider", name="gate").fill(gate)
            assert (
                abs(body.evaluate("node => node.offsetHeight") + max(spare, 0) - height)
                < 30
            ), "nothing jumps under the reader's hand"
    overlap = """rows => rows.some(row => { const name = document.createRange(); name.selectNodeContents(row.children[0]);
        return name.getBoundingClientRect().right > row.children[1].getBoundingClientRect().left })"""
    assert not page.get_by_role("row").evaluate_all(overlap), (
        "names do not run into the cells"
    )
    thumb = page.get_by_role("slider", name="training step").bounding_box()
    cells = [
        page.get_by_role("row").first.get_by_role("cell").nth(i).bounding_box()
        for i in (0, STEPS - 1)
    ]
    centres = [cell["x"] + cell["width"] / 2 for cell in cells]
    assert [thumb["x"] + 8, thumb["x"] + thumb["width"] - 8] == pytest.approx(
        centres, abs=1.5
    ), "the slider stands over the columns"
    if width < 500:
        page.get_by_role("row").first.get_by_role("cell").nth(4).tap()
        assert stories(page)[1].startswith("Step 4:")


@pytest.mark.parametrize(
    ("theme", "dark"), [("data-theme=dark", True), ("data-theme=light", False)]
)
def test_colours_follow_the_page_and_small_norms_are_told_from_none(show, theme, dark):
    page = show(laboratory(reading=GATED), theme=theme)
    ink = np.mean(
        [
            int(c)
            for c in re.findall(
                r"\d+",
                page.locator(".dit-explorer").evaluate(
                    "node => getComputedStyle(node).color"
                ),
            )[:3]
        ]
    )
    assert (ink > 128) == dark
    dashed = page.locator("[role=cell].dit-zero").evaluate_all(
        "cells => cells.map(cell => getComputedStyle(cell).borderStyle)"
    )
    assert set(dashed) == {"dashed"}
    assert page.locator("[role=cell]:not(.dit-zero)").evaluate_all(
        "cells => cells.every(cell => getComputedStyle(cell).borderStyle === 'none')"
    )


def test_two_of_them_on_a_page_leave_no_trace_and_keep_keys_to_themselves(show):
    count = (
        "<script>keys = 0; document.addEventListener('keydown', () => keys++); "
        "globals = new Set(Object.keys(window))</script>"
    )
    page = show(laboratory(), laboratory(), after=count)
    assert (
        page.evaluate(
            "Object.keys(window).filter(name => !globals.has(name) && name !== "
            "'globals')"
        )
        == []
    )
    for kind in ("slider", "radio"):
        for node in page.get_by_role(kind).all():
            node.press("ArrowRight")
    assert page.evaluate("keys") == 0, "JupyterLab would act on keys that come through"
    first, second = (page.get_by_role("group").nth(i) for i in (0, 1))
    for reading, other in ((GATED, LITERAL), (LITERAL, GATED)):
        choose(first, reading)
        choose(second, other)
        assert first.get_by_role("radio", name=reading).is_checked(), "each is its own"
        assert (
            first.get_by_role("slider", name="gate").input_value()
            != second.get_by_role("slider", name="gate").input_value()
        )
