"""The memory explorer in a real browser: by every switch its bytes are Python's."""

from __future__ import annotations

import json

import pytest

from dit_lite import preset
from dit_lite.analysis import cost_formulas, training_cost
from dit_lite.config import SIZES
from dit_lite.widgets import memory_explorer
from dit_lite.widgets.memory import SWITCHES

pytestmark = pytest.mark.browser
TABLE = cost_formulas()
LATENT = dict(learn_variance=True, path="ddpm", objective="eps")
TERMS = ("weights", "gradients", "moments", "master", "ema", "copies", "activations")


def agrees(page, size="XL", batch=32, precision="fp32", **run) -> dict:
    """Every number of the page, and every row, is Python's."""
    shown = json.loads(page.locator(".dit-explorer").get_attribute("data-results"))
    expected = training_cost(
        preset(f"{size}/2", **LATENT), batch, precision=precision, **run
    )
    for key, value in expected.items():
        if key != "side":  # a latent's side is divided in the page
            assert shown[key] == pytest.approx(value, rel=1e-9), key
    rows = page.locator(".dit-memory-row").evaluate_all(
        "rows => rows.map(({ dataset }) => [dataset.key, +dataset.value])"
    )
    assert dict(rows) == pytest.approx(
        {f"{name}_memory": expected[f"{name}_memory"] for name in TERMS}, rel=1e-9
    )
    return expected


def choose(page, group: str, name: str) -> None:
    page.get_by_role("radiogroup", name=group, exact=True).get_by_role(
        "radio", name=name, exact=True
    ).check()


def test_every_switch_gives_the_bytes_of_python(show):
    page = show(memory_explorer(TABLE, SIZES))
    agrees(page)
    labels = dict(
        precision="precision",
        kernel="attention",
        checkpointing="activations",
        optimiser="optimiser",
        accumulation="accumulation",
    )
    run = {}
    for name, options in SWITCHES.items():
        for value, text in list(options.items())[1:]:
            choose(page, labels[name], text)
            if name != "accumulation" or value <= 32:
                agrees(page, **run | {name: value})
        value, text = list(options.items())[-1 if name != "accumulation" else 1]
        choose(page, labels[name], text)
        run[name] = value
    choose(page, "model", "B/2")
    expected = agrees(page, "B", **run)
    slider = page.get_by_role("slider", name="images per step")
    slider.focus()
    page.keyboard.press("ArrowRight")
    more = agrees(page, "B", batch=64, **run)
    assert more["activations_memory"] > expected["activations_memory"]
    assert more["moments_memory"] == expected["moments_memory"]


def test_the_largest_batch_that_fits_is_told(show):
    page = show(memory_explorer(TABLE, SIZES, machine="4090"))
    story = page.locator(".dit-story")
    words = story.inner_text().split("settings ")[1]
    told = int(words.split()[0]) if words[0].isdigit() else 0

    def fits(batch: int) -> bool:
        total = training_cost(preset("XL/2", **LATENT), batch)["total_memory"]
        return total <= 24e9

    assert fits(told) if told else not fits(1)
    assert not fits(2 * told or 1)
    choose(page, "activations", "by block")
    more = int(story.inner_text().split("settings ")[1].split()[0])
    assert more > told


def test_nothing_overflows_a_phone_in_the_dark(show):
    page = show(memory_explorer(TABLE, SIZES), width=390, theme="data-theme=dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
