"""The replay of recorded runs in a real browser: what is shown is what was given."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from browser import PIXELS

from dit_lite.widgets import run_replay_explorer

pytestmark = pytest.mark.browser
DECAYS = [0.0, 0.9]


def runs() -> list[dict]:
    """Eight made-up runs, no two alike."""
    random = np.random.default_rng(0)
    return [
        dict(
            lr=lr,
            warm=warm,
            batch_size=batch,
            steps=40,
            at=[20, 40],
            curve=random.uniform(0.1, 1.9, 20).tolist(),
            held_out=random.uniform(0.1, 1.9, (2, 2)).tolist(),
            drawn=random.integers(0, 256, (2, 2, 10, 8, 8)),
        )
        for lr, warm, batch in itertools.product((1e-3, 1e-2), (0.0, 0.1), (24, 96))
    ]


def choose(page, group: str, name: str) -> None:
    page.get_by_role("radiogroup", name=group, exact=True).get_by_role(
        "radio", name=name, exact=True
    ).check()


def test_curve_loss_and_digits_are_those_of_the_chosen_run(show):
    given = runs()
    page = show(run_replay_explorer(given, DECAYS))
    choose(page, "rate", "0.01")
    choose(page, "warm-up", "10 %")
    choose(page, "batch", "24")
    choose(page, "average (EMA)", "none")
    slider = page.get_by_role("slider", name="step")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    (chosen,) = [
        run
        for run in given
        if (run["lr"], run["warm"], run["batch_size"]) == (0.01, 0.1, 24)
    ]
    loss = page.locator(".dit-explorer").get_attribute("data-loss")
    assert float(loss) == pytest.approx(chosen["held_out"][0][0], rel=1e-6)
    assert "after 20 steps" in page.locator(".dit-story").inner_text()
    for k in (0, 7):
        canvas = page.get_by_role("img", name=f"sample of class {k}")
        shown = np.array(canvas.evaluate(PIXELS)).reshape(8, 8, 4)[..., 0]
        assert np.array_equal(shown, chosen["drawn"][0, 0, k])
    points = page.locator("polyline").last.get_attribute("points").split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == pytest.approx([100 - 50 * v for v in chosen["curve"]], abs=0.01)
    dot = page.locator(".dit-dot").last
    place = [
        float(dot.evaluate(f"n => parseFloat(n.style.{k})")) for k in ("left", "top")
    ]
    assert place == pytest.approx([float(v) for v in points[9].split(",")], abs=0.01)


def test_nothing_overflows_a_phone(show):
    page = show(run_replay_explorer(runs(), DECAYS), width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
