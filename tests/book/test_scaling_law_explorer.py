"""The scaling-law explorer in a real browser: the page fits what Python fits, to 1e-6,
and what was held out shows only when it is revealed.
"""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

from dit_lite.analysis.scaling_laws import Curve, ScalingWarning, fit_scaling_law
from dit_lite.analysis.scaling_laws.resample import drawn
from dit_lite.analysis.scaling_laws.surface import Design, minimise
from dit_lite.widgets import scaling_law_explorer
from dit_lite.widgets.scaling_law import COUNTS, DRAWS, luck

pytestmark = pytest.mark.browser
TRUTH = Curve(0.12, 8.0, 0.42, 30.0, 0.55)
WIDTHS, HELD = (16, 24, 32, 48, 64, 96), 96
IMAGES = [3200 * k for k in (1, 2, 3, 4, 6, 8, 12)]


def made_rows() -> list[dict]:
    """Runs of a known law with scatter: a bend before it, and errors per run."""
    rng, rows = np.random.default_rng(5), []
    for patch in (8, 16):
        for width in WIDTHS:
            psi = 90 * width**2 + 500 * width
            for seed in range(3):
                luck_of_run = 0.01 * rng.standard_normal()
                for n in IMAGES:
                    loss = TRUTH.predict(psi, n) * np.exp(
                        luck_of_run + 0.006 * rng.standard_normal() + 2 * (n < 6000)
                    )
                    rows.append(
                        {
                            "patch_size": patch, "width": width, "seed": seed,
                            "images": n, "loss": float(loss), "parameters": psi,
                            "without_embeddings": psi - 300 * width,
                            "without_adaln": psi // 2, "macs": 40 * psi,
                            "flops_per_image": 240 * psi,
                        }
                    )  # fmt: skip
    return rows


ROWS = made_rows()


def fitted(rows, field="parameters", ends=False, floor=True):
    if ends:
        rows = [row for row in rows if row["images"] == IMAGES[-1]]
    columns = ([row[name] for row in rows] for name in (field, "images", "loss"))
    psi, n, loss = columns
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalingWarning)
        return fit_scaling_law(
            psi, None if ends else n, loss, floor=floor, draws=20,
            runs=[(row["width"], row["seed"]) for row in rows],
        )  # fmt: skip


def left_in(patch=8, first=IMAGES[2], low=16, high=64):
    return [
        row
        for row in ROWS
        if row["patch_size"] == patch
        and row["images"] >= first
        and low <= row["width"] <= high
    ]


def opened(show, **options):
    return show(
        scaling_law_explorer(ROWS, HELD, patch=8, fit_from=IMAGES[2], **options)
    )


def law_in(page) -> dict:
    return json.loads(page.locator(".dit-explorer").get_attribute("data-law"))


def agrees(page, law, psi) -> None:
    found = law_in(page)
    for name in ("E", "A", "alpha", "B", "beta", "delta"):
        assert found[name] == pytest.approx(getattr(law, name), rel=1e-6, abs=1e-12)
    predicted = law.predict(psi, IMAGES[-1] if law.B else None)
    assert found["predicted"] == pytest.approx(predicted, rel=1e-6)


def largest(field="parameters", patch=8) -> float:
    return next(
        row[field] for row in ROWS if (row["patch_size"], row["width"]) == (patch, HELD)
    )


@pytest.mark.parametrize("field", COUNTS.values())
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("floor", [False, True])
def test_the_page_fits_what_python_fits(show, field, ends, floor):
    count = next(name for name in COUNTS if COUNTS[name] == field)
    method = "ends" if ends else "all"
    page = opened(show, count=count, method=method, floor=floor)
    agrees(page, fitted(left_in(), field, ends, floor), largest(field))


def test_dragging_the_range_fits_anew(show):
    page = opened(show)
    page.get_by_role("slider", name="from n =").fill("3")
    page.get_by_role("slider", name="smallest D").fill("1")
    page.get_by_role("radio", name="P = 16").check()
    agrees(page, fitted(left_in(16, IMAGES[3], low=24)), largest(patch=16))
    page.get_by_role("slider", name="largest D").fill("0")
    assert page.get_by_role("slider", name="smallest D").input_value() == "0"
    assert "at least 2 sizes" in page.locator(".dit-story").inner_text()


class GivenLuck:
    """numpy's generator, whose numbers are those that travelled to the page."""

    def __init__(self, runs: int):
        self.luck, self.runs = luck(36), runs

    def choice(self, values, shape):
        return self.luck["signs"][:, : self.runs] * 2.0 - 1

    def chisquare(self, free, shape):
        return self.luck["squares"][:, free - 1 : free].astype(float)


def test_the_interval_is_that_of_the_same_refits_in_python(show):
    rows = left_in()
    law = fitted(rows)
    runs = 5 * 3
    design = Design.of(law.points.parameters, law.points.images, True)
    theta = np.log([law.E, law.A, 1, law.B, 1])
    theta[[2, 4]] = law.alpha, law.beta
    theta[1] -= law.alpha * design.x0
    theta[3] -= law.beta * design.z0
    around, scatter = drawn(
        design, theta, np.log(law.points.loss), law.points.run, DRAWS, GivenLuck(runs)
    )
    refits, _ = minimise(design, around, np.repeat(theta[None], DRAWS, 0), law.delta)
    log_e, log_a, alpha, log_b, beta = design.split(refits)
    x, z = np.log(largest()) - design.x0, np.log(IMAGES[-1]) - design.z0
    values = np.exp(log_e) + np.exp(log_a - alpha * x) + np.exp(log_b - beta * z)
    picks = (luck(36)["picks"].astype(float) * len(scatter)).astype(int)
    wanted = np.quantile(values * np.exp(scatter[picks]), [0.05, 0.95])
    page = opened(show)
    page.wait_for_selector(".dit-explorer[data-interval]")
    found = json.loads(page.locator(".dit-explorer").get_attribute("data-interval"))
    assert found == pytest.approx(wanted, rel=1e-5)
    assert found[1] - found[0] > 0.005 * found[0]


def test_the_held_out_runs_appear_when_they_are_revealed(show):
    page = opened(show)
    page.wait_for_selector(".dit-explorer[data-interval]")
    red = page.locator('.dit-log-dot[style*="dit-red"]')
    assert red.count() == 0
    story = page.locator(".dit-story").inner_text()
    assert "Measured" not in story
    page.get_by_role("button", name="Reveal the held-out runs").click()
    assert red.count() == 3 + 3 * len(IMAGES)
    story = page.locator(".dit-story").inner_text()
    measured = np.mean(
        [
            row["loss"]
            for row in ROWS
            if (row["patch_size"], row["width"], row["images"]) == (8, 96, IMAGES[-1])
        ]
    )
    said = float(re.search(r"Measured: ([\d.]+)", story)[1])
    assert said == pytest.approx(measured, rel=1e-3)
    off = float(re.search(r"is ([\d.]+) % too (high|low)", story)[1])
    assert off == pytest.approx(
        100 * abs(law_in(page)["predicted"] / measured - 1), rel=0.02
    )
    page.get_by_role("button", name="Hide the held-out runs").click()
    assert red.count() == 0


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_it_fits_its_width_and_can_be_touched(show, width, theme):
    page = show(
        scaling_law_explorer(ROWS, HELD), width=width, theme=f"data-theme={theme}"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    heights = page.locator(".dit-option, .dit-button, input[type=range]").evaluate_all(
        "nodes => nodes.map(n => n.getBoundingClientRect().height)"
    )
    assert min(heights) >= 40
