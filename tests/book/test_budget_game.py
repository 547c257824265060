"""The budget game in a real browser: only what was bought is seen and fitted, and the
score is the error of the law that Python fits to the same points.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from test_scaling_law_explorer import HELD, IMAGES, ROWS, fitted

from dit_lite.widgets import budget_game

pytestmark = pytest.mark.browser
GRID = [row for row in ROWS if row["patch_size"] == 8]
COST = {row["width"]: row["flops_per_image"] for row in GRID}
BUDGET = sum(COST[w] for w in COST if w != HELD) * IMAGES[-1] / 2


def opened(show, **options):
    return show(budget_game(GRID, HELD, fit_from=IMAGES[2], **options))


def buy(page, width: int, images: int):
    return page.get_by_role(
        "button", name=f"buy D = {width} for {images:,} images", exact=False
    )


def left(page) -> float:
    return float(page.locator(".dit-explorer").get_attribute("data-left"))


def lines(page) -> int:
    return page.locator(".dit-log polyline").count()


def test_a_run_costs_what_its_flops_say_and_only_it_is_shown(show):
    page = opened(show)
    assert left(page) == pytest.approx(BUDGET)
    assert lines(page) == 0
    buy(page, 24, IMAGES[4]).click()
    assert left(page) == pytest.approx(BUDGET - COST[24] * IMAGES[4])
    assert lines(page) == 1
    page.get_by_role("button", name="undo").click()
    assert left(page) == pytest.approx(BUDGET)
    assert lines(page) == 0


def test_the_score_is_the_error_of_the_law_of_what_was_bought(show):
    page = opened(show)
    predict = page.get_by_role("button", name=f"Predict D = {HELD}")
    assert predict.is_disabled()
    bought = [(16, -1), (16, -1), (24, -2), (32, -1)]
    for width, place in bought:
        buy(page, width, IMAGES[place]).click()
    predict.click()
    rows = [
        row
        for seed, (width, place) in zip((0, 1, 0, 0), bought, strict=True)
        for row in GRID
        if (row["width"], row["seed"]) == (width, seed)
        and IMAGES[2] <= row["images"] <= IMAGES[place]
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        law = fitted(rows)
    held = [row for row in GRID if (row["width"], row["images"]) == (HELD, IMAGES[-1])]
    measured = np.mean([row["loss"] for row in held])
    error = 100 * abs(law.predict(held[0]["parameters"], IMAGES[-1]) / measured - 1)
    score = float(page.locator(".dit-explorer").get_attribute("data-score"))
    assert score == pytest.approx(error, rel=1e-4)
    assert "Your error" in page.locator(".dit-story").inner_text()
    assert buy(page, 48, IMAGES[3]).is_disabled(), "a prediction is final"
    page.get_by_role("button", name="start again").click()
    assert left(page) == pytest.approx(BUDGET)


def test_what_cannot_be_paid_cannot_be_bought(show):
    page = opened(show, budget=1.5 * COST[64] * IMAGES[-1])
    buy(page, 64, IMAGES[-1]).click()
    assert buy(page, 64, IMAGES[-1]).is_disabled()
    for _ in range(3):
        buy(page, 16, IMAGES[3]).click()
    assert buy(page, 16, IMAGES[3]).is_disabled(), "three seeds were recorded"


def test_two_sizes_are_the_least_that_can_predict(show):
    page = opened(show)
    for _ in range(2):
        buy(page, 16, IMAGES[-1]).click()
    assert page.get_by_role("button", name=f"Predict D = {HELD}").is_disabled()
    assert "two sizes" in page.locator(".dit-story").inner_text()


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_it_fits_its_width_and_can_be_touched(show, width, theme):
    page = show(budget_game(GRID, HELD), width=width, theme=f"data-theme={theme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = page.locator(".dit-button").evaluate_all(
        "nodes => nodes.map(n => n.getBoundingClientRect()).map(b => "
        "[b.width, b.height])"
    )
    assert np.array(boxes).min() >= 40
    cut = page.locator(".dit-game-cell").evaluate_all(
        "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1).length"
    )
    assert cut == 0
