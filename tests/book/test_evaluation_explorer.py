"""The evaluation explorer in a real browser: what it shows and chooses is what Python
computes, by mouse, touch and keyboard.
"""

from __future__ import annotations

import numpy as np
import pytest
from accessibility import faults_of_colour, faults_of_structure

from dit_lite.widgets import evaluation_explorer

pytestmark = pytest.mark.browser
W, STEPS = (0, 1, 1.5, 2, 4, 8), (5, 50)
VALUES = {
    "recall": [
        [0.50, 0.61, 0.55, 0.45, 0.30, 0.20],
        [0.52, 0.64, 0.60, 0.50, 0.35, 0.25],
    ],
    "accuracy": [
        [0.30, 0.78, 0.88, 0.93, 0.97, 0.98],
        [0.40, 0.80, 0.90, 0.95, 0.985, 0.99],
    ],
    "Fréchet": [[30, 16, 13, 14, 20, 30], [28, 14, 11, 10, 16, 28]],
    "trained on samples": [[0.5, 0.7, np.nan, 0.72, np.nan, 0.6]] * 2,
}
HALF = {"recall": 0.02, "accuracy": 0.015, "Fréchet": 1.5, "trained on samples": 0.03}
LOWER = {"Fréchet"}
# (W, STEPS, 3)
SCORES = {
    name: np.stack(
        [np.array(rows).T + sign * HALF[name] for sign in (0, -1, 1)], axis=-1
    )
    for name, rows in VALUES.items()
}
REAL = {
    "recall": (0.85, 0.83, 0.87),
    "accuracy": (0.92, 0.91, 0.93),
    "Fréchet": (5, 4, 6),
}
IMAGES = np.random.default_rng(0).integers(
    0, 256, (len(W), len(STEPS), 4, 6, 6, 3), dtype=np.uint8
)


def explorer(**first):
    better = {name: "lower" if name in LOWER else "higher" for name in SCORES}
    first = {"x": "recall", "y": "accuracy", "start": {"steps": 50}} | first
    return evaluation_explorer(
        {"guidance w": W, "steps": STEPS}, SCORES, better, REAL, IMAGES, **first
    )


def best(name: str, s: int) -> int:
    values = SCORES[name][:, s, 0]
    return int(np.nanargmin(values) if name in LOWER else np.nanargmax(values))


SHOWN = """body => ({
    setting: [body.querySelector('[type=range]').value, body.querySelector('[type=range]').getAttribute('aria-valuetext')],
    pictures: [...body.querySelectorAll('.dit-eval-pictures canvas')].map(canvas => [...canvas.getContext('2d').getImageData(0, 0, 6, 6).data]),
    rows: [...body.querySelectorAll('[data-score]')].map(row =>
        [row.querySelector('.dit-value').textContent.split(' ')[0], ...[...row.querySelectorAll('.dit-eval-cell')].map(cell => cell.dataset.value)]),
    chosen: body.querySelector('.dit-eval-chosen').dataset.index,
})"""


def check(page, i: int, s: int) -> None:
    """The setting i on curve s is what slider, samples, numbers and plot show."""
    shown = page.locator(".dit-body").evaluate(SHOWN)
    assert shown["setting"] == [str(i), f"{W[i]:g}"]
    assert (
        np.array(shown["pictures"]).reshape(4, 6, 6, 4)[..., :3] == IMAGES[i, s]
    ).all()
    for (here, *values), table in zip(shown["rows"], SCORES.values(), strict=True):
        assert [
            float(value.replace("NaN", "nan")) for value in values
        ] == pytest.approx(table[:, s, 0].tolist(), rel=1e-6, nan_ok=True)
        assert (
            here == "–"
            if np.isnan(table[i, s, 0])
            else float(here) == pytest.approx(table[i, s, 0], rel=0.01)
        )
    assert shown["chosen"] == str(i)


def test_each_score_chooses_its_best_setting_by_mouse_and_keyboard(show):
    page = show(explorer())
    radio, story = (
        page.get_by_role("radiogroup", name="choose the setting by").get_by_role(
            "radio"
        ),
        page.locator(".dit-story"),
    )
    check(page, 5, 1)
    assert page.get_by_role("radio", name="accuracy").is_checked()
    assert story.inner_text() == (
        "Chosen by accuracy: guidance w = 8; 4 is equally good within the intervals. "
        "Recall chooses 1, accuracy 8: from 1 to 8, accuracy rises from 0.8 "
        "to 0.99 and recall falls from 0.64 to 0.25. The 4 scores choose 3 "
        "different settings. Better than real images, so not a measure of realism "
        "alone: accuracy."
    )
    page.get_by_role("radio", name="recall").check()
    check(page, best("recall", 1), 1)
    # the scores are one group
    for name in ("accuracy", "Fréchet", "trained on samples"):
        page.keyboard.press("ArrowDown")
        check(page, best(name, 1), 1)
    assert story.inner_text().startswith(
        "Chosen by trained on samples: guidance w = 2; 1 is equally good within "
        "the intervals."
    )
    page.get_by_role("radio", name="Fréchet").check()
    assert best("Fréchet", 0) != best("Fréchet", 1)
    # the other curve: chosen anew
    page.get_by_role("radio", name="5", exact=True).check()
    check(page, best("Fréchet", 0), 0)
    page.get_by_role("slider", name="guidance w").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    check(page, 4, 0)
    assert "Chosen by hand: guidance w = 4." in story.inner_text()
    assert not any(one.is_checked() for one in radio.all())
    page.locator('[data-score="recall"] .dit-eval-cell').nth(2).click()
    check(page, 2, 0)
    point = page.locator('.dit-eval-point[data-index="3"]').bounding_box()
    page.mouse.click(point["x"] + 8, point["y"] - 3)  # near it
    check(page, 3, 0)


def test_the_plot_has_a_point_and_bars_for_each_setting_and_the_row_of_real_images(
    show,
):
    page = show(explorer())

    def places() -> tuple[np.ndarray, np.ndarray]:
        """Data and percent of the area, (points, 2), the real images last."""
        nodes = (
            "nodes => nodes.map(node => [+node.dataset.x, +node.dataset.y, "
            "parseFloat(node.style.left), parseFloat(node.style.top)])"
        )
        return np.split(
            np.array(
                page.locator(".dit-eval-area .dit-eval-point").evaluate_all(nodes)
            ),
            2,
            axis=1,
        )

    def check_axes(x: str, y: str) -> None:
        data, spots = places()
        expected = np.stack(
            [[*SCORES[name][:, 1, 0], REAL[name][0]] for name in (x, y)], axis=1
        )
        assert data == pytest.approx(expected, rel=1e-6)
        # one straight scale an axis, growing to the right and upwards
        for axis, sign in ((0, 1), (1, -1)):
            slope, offset = np.polyfit(data[:, axis], spots[:, axis], 1)
            assert spots[:, axis] == pytest.approx(
                slope * data[:, axis] + offset, abs=1e-3
            )
            assert slope * sign > 0
        bars = page.locator(".dit-eval-bar").evaluate_all(
            "bars => bars.map(bar => ['x1', 'x2', 'y1', 'y2'].map(key => "
            "+bar.getAttribute(key)))"
        )
        # across, in the order of the knob
        bars = np.array([bar for bar in bars if bar[0] != bar[1]])[:6]
        reach = HALF[x] * np.polyfit(data[:, 0], spots[:, 0], 1)[0]
        assert bars[:, 0] == pytest.approx(spots[:6, 0] - reach, abs=1e-3)
        assert bars[:, 1] == pytest.approx(spots[:6, 0] + reach, abs=1e-3)

    def ways() -> list[str]:
        return page.locator(".dit-eval-axis .dit-note").all_inner_texts()

    check_axes("recall", "accuracy")
    assert ways() == ["↑ higher is better", "higher is better →"]
    across, upwards = (
        page.get_by_role("combobox", name=name)
        for name in ("score on the x axis", "score on the y axis")
    )
    across.select_option("Fréchet")
    check_axes("Fréchet", "accuracy")
    assert ways() == ["↑ higher is better", "← lower is better"]
    upwards.focus()
    page.keyboard.press("F")  # the score of the other axis: the two change places
    assert (
        across.locator(":checked").inner_text(),
        upwards.locator(":checked").inner_text(),
    ) == ("accuracy", "Fréchet")
    check_axes("accuracy", "Fréchet")
    upwards.select_option("trained on samples")
    assert page.locator(".dit-eval-area .dit-eval-point").count() == 4, (
        "only settings where both were measured, and no real images"
    )


def test_cells_tell_the_best_those_as_good_and_those_beyond_real_images(show):
    page = show(explorer(start={"steps": 5, "guidance w": 0}))
    assert (
        page.locator(".dit-story")
        .inner_text()
        .startswith("Chosen by hand: guidance w = 0.")
    )
    for name, table in SCORES.items():
        value, low, high = table[:, 0].T
        top = best(name, 0)
        meets = (low <= high[top]) & (high >= low[top]) & (np.arange(len(W)) != top)
        past = (
            high < REAL[name][1]
            if name in LOWER
            else low > REAL.get(name, (0, 0, np.inf))[2]
        )
        for i, kinds in enumerate(
            page.locator(f'[data-score="{name}"] .dit-eval-cell').evaluate_all(
                "cells => cells.map(cell => cell.className)"
            )
        ):
            expected = {
                "best": i == top,
                "even": meets[i],
                "beyond": past[i],
                "none": np.isnan(value[i]),
            }
            assert set(kinds.split()) - {"dit-eval-cell"} == {
                f"dit-eval-{kind}" for kind, holds in expected.items() if holds
            }, (name, i)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_it_fits_the_page_nothing_moves_and_everyone_can_use_it(show, width, scheme):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })</script>"
    )
    page = show(
        explorer(), after=watch, width=width, has_touch=width < 500, color_scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = (
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => "
        "[box.width, box.height])"
    )
    assert (
        np.min(
            page.locator(".dit-option, select, input[type=range]").evaluate_all(sizes)
        )
        >= 40
    )
    if width < 500:
        page.locator('.dit-eval-point[data-index="1"]').evaluate(
            "node => node.scrollIntoView()"
        )
        point = page.locator('.dit-eval-point[data-index="1"]').bounding_box()
        page.touchscreen.tap(point["x"] + 12, point["y"] + 12)
        check(page, 1, 1)
    page.wait_for_timeout(100)
    assert page.evaluate("shift") < 0.05
    spare = page.locator(".dit-body").evaluate(
        "body => [parseFloat(getComputedStyle(body).minHeight), "
        "(body.style.minHeight = 0), body.offsetHeight]"
    )
    assert -25 < spare[0] - spare[2] < 60
    assert faults_of_structure(page) == []
    assert faults_of_colour(page) == []
