"""The cluster planner in a real browser: its layouts, times and memory are Python's,
and its address is its state.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from dit_lite import preset
from dit_lite.analysis import cost_formulas, flops
from dit_lite.config import SIZES
from dit_lite.distributed.planner import layout_formulas, plan, planner_rules
from dit_lite.widgets import cluster_planner

pytestmark = pytest.mark.browser
LATENT = dict(
    image_size=32, channels=4, learn_variance=True, path="ddpm", objective="eps"
)


def planner(**first):
    return cluster_planner(
        cost_formulas(), layout_formulas(), planner_rules(), SIZES, **first
    )


def shown(page) -> dict:
    return json.loads(page.locator(".dit-explorer").get_attribute("data-results"))


def key(layout) -> str:
    one = layout
    return f"{one.data}.{one.tensor}.{one.stages}.{one.micro_batches}.{one.split}"


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("XL/2", dict(devices=64)),
        ("XL/2", dict(devices=16, machine="4090", checkpointing="block")),
        ("B/2", dict(devices=8, machine="A100", precision="fp32", network=3.5)),
        (
            "L/2",
            dict(
                devices=32, machine="A100", batch=512, link=120.0, share=25.0,
                frozen_parameters=84_000_000, frozen_macs=100e9, sampling_steps=20,
            ),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_page_finds_the_layouts_that_python_finds(show, name, run):
    width, depth, heads = SIZES[name.split("/")[0]]
    page = show(planner(width=width, depth=depth, heads=heads, **run))
    options = dict(batch=256, machine="H200", precision="bf16") | run
    devices, batch = options.pop("devices"), options.pop("batch")
    expected = plan(preset(name, **LATENT), batch, devices, **options)
    found = shown(page)
    assert found["order"] == [key(one.layout) for one in expected[:6]]
    assert page.locator(".dit-explorer").get_attribute("data-fits") == str(
        len(expected)
    )
    best = expected[0]
    for formula, value in best.cost.items():
        if formula != "side":
            assert found[formula] == pytest.approx(value, rel=1e-9), formula
    assert (found["low"], found["high"]) == pytest.approx(best.seconds, rel=1e-9)
    bars = page.locator(".dit-cost-row, .dit-cost-tiles > div").evaluate_all(
        "rows => rows.map(({ dataset }) => [dataset.key, +dataset.value])"
    )
    known = best.cost | {
        "parameters": flops(preset(name, **LATENT))["total"].parameters
    }
    assert dict(bars) == pytest.approx({key: known[key] for key, _ in bars}, rel=1e-9)
    assert len(bars) == 19


def test_another_layout_can_be_chosen_and_a_change_forgets_it(show):
    page = show(planner(devices=16))
    second = shown(page)["order"][1]
    page.locator(f'[data-layout="{second}"] input').check()
    assert shown(page)["layout"] == second
    assert "Yours is" in page.locator(".dit-cost-story").inner_text()
    page.get_by_label("global batch").fill("512")
    assert shown(page)["layout"] == shown(page)["order"][0]
    page.get_by_label("global batch").fill("0")
    assert "whole number from 1" in page.locator(".dit-cost-problem").inner_text()


def test_where_nothing_fits_it_says_so(show):
    page = show(planner(devices=1, memory=4.0))
    assert "No layout of 1 devices" in page.locator(".dit-cost-story").inner_text()
    assert page.locator(".dit-plan-row").count() == 0


def test_the_address_holds_the_state(show):
    page = show(planner())
    page.get_by_label("device count").fill("32")
    third = shown(page)["order"][2]
    page.locator(f'[data-layout="{third}"] input').check()
    page.wait_for_function("location.hash.includes('layout')")
    assert "devices=32" in page.url
    kept = page.url.split("#")[1]
    page.get_by_role("button", name="start again").click()
    assert shown(page)["all_devices"] == 64
    page.wait_for_function("location.hash.includes('devices=64')")
    page.evaluate("hash => (location.hash = hash)", kept)
    page.wait_for_function(
        "document.querySelector('.dit-explorer').dataset.results.includes("
        "'\"all_devices\":32')"
    )
    assert shown(page)["layout"] == third
    page.evaluate(f"location.hash = '#plan:{urlencode(dict(heads=7, devices=8))}'")
    page.wait_for_timeout(200)
    assert shown(page)["all_devices"] == 32, "numbers that do not fit are left out"


def test_no_label_is_cut_off(show):
    page = show(planner(devices=64))
    names = page.locator(".dit-cost-field .dit-name, .dit-cost-tiles .dit-value")
    for width in (360, 390, 768, 1280):
        page.set_viewport_size(dict(width=width, height=900))
        assert not names.evaluate_all(
            "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1)"
            ".map(n => n.textContent)"
        )
