"""The cost calculator in a real browser: its formulas are Python's, by mouse and by
keyboard, and its address is its state.
"""

from __future__ import annotations

import json
import math
from urllib.parse import urlencode

import numpy as np
import pytest
from random_costs import random_cases

from dit_lite import preset
from dit_lite.analysis import cost_formulas, training_cost
from dit_lite.analysis.cost_table import model_inputs
from dit_lite.analysis.formulas import FormulaError, evaluate
from dit_lite.config import SIZES
from dit_lite.widgets import cost_calculator
from dit_lite.widgets.explorer import text

pytestmark = pytest.mark.browser
TABLE = cost_formulas()
LATENT = dict(
    image_size=32, channels=4, learn_variance=True, path="ddpm", objective="eps"
)
EXPRESSIONS = [
    "2 ** 3 ** 2",
    "10 - 4 - 3",
    "12 / 4 / 3",
    "2 + 3 * 4 ** 2",
    "ceil(a / 2) + floor(a / 2)",
    "min(a, 1.5) * max(2, a, 1)",
    "1e3 * (a + 0.5)",
]
REFUSED = [
    "alert(1)",
    "a.b",
    "a b",
    "-a",
    "2 +",
    "",
    "constructor",
    "a ? 1 : 2",
    "'1'",
    "(1",
    "1)",
    "min()",
    "a // 2",
    "[1]",
]


def calculator(**first):
    return cost_calculator(TABLE, SIZES, **first)


def shown(page) -> dict[str, float]:
    return json.loads(page.locator(".dit-explorer").get_attribute("data-results"))


def agrees(page, name="XL/2", batch=256, precision="bf16", **run) -> None:
    """Everything that the page computed is what Python computes."""
    model = {
        key: run.pop(key)
        for key in ("image_size", "width", "depth", "heads", "conditioning")
        if key in run
    }
    expected, found = (
        training_cost(
            preset(name, **LATENT | model), batch, precision=precision, **run
        ),
        shown(page),
    )
    for key, value in expected.items():
        if key != "side":  # a latent's side is divided in the page
            assert found[key] == pytest.approx(value, rel=1e-9), key
    rows = page.locator(".dit-cost-row, .dit-cost-tiles > div").evaluate_all(
        "rows => rows.map(({ dataset }) => [dataset.key, +dataset.value])"
    )
    assert len(rows) == 22
    assert dict(rows) == pytest.approx(
        {key: expected[key] for key, _ in rows}, rel=1e-9
    )


def story(page) -> str:
    return page.locator(".dit-cost-story").inner_text()


def test_javascript_computes_what_python_does_on_200_random_configurations(show):
    module = (
        text("base.mjs")
        + text("formulas.mjs")
        + text("cost.mjs").replace(
            "export default { render };",
            "Object.assign(window, { parsed, calculator });",
        )
    )
    page = show(calculator(), after=f'<script type="module">{module}</script>')
    cases = random_cases()
    runs = []
    for config, run in cases:
        numbers, options = model_inputs(config, config.attention)
        runs.append(numbers | options | run)
    found = page.evaluate(
        "([table, runs]) => runs.map(calculator(table))", [TABLE, runs]
    )
    for (config, run), values in zip(cases, found, strict=True):
        for name, value in training_cost(config, **run).items():
            assert math.isclose(values[name], value, rel_tol=1e-9, abs_tol=1e-300), (
                name,
                config,
                run,
            )
    for depth in range(1, 300):  # a square root that is a whole number must stay one
        assert (
            evaluate(
                {"x": TABLE["formulas"]["segment"]},
                dict(depth=depth, segment_power=0.5),
            )["x"]
            == math.isqrt(depth - 1) + 1
        )
    segments = page.evaluate(
        "text => Array.from({ length: 299 }, (_, i) => parsed(text)({ depth: i + "
        "1, segment_power: 0.5 }))",
        TABLE["formulas"]["segment"],
    )
    assert segments == [math.isqrt(depth - 1) + 1 for depth in range(1, 300)]
    for expression in EXPRESSIONS:
        assert (
            page.evaluate("text => parsed(text)({ a: 7 })", expression)
            == evaluate({"x": expression}, {"a": 7})["x"]
        )
    for expression in REFUSED:
        assert (
            page.evaluate(
                "text => { try { return parsed(text)({ a: 7, b: 1 }); } catch { "
                "return null; } }",
                expression,
            )
            is None
        ), expression
        with pytest.raises(FormulaError):
            evaluate({"x": expression}, {"a": 7, "b": 1})


def test_the_first_state_tells_its_story_and_every_input_counts(show):
    page = show(calculator())
    agrees(page)
    assert "DiT-XL/2: 118.6 G multiply-adds" in story(page)
    assert "fits on 1 × H200" in story(page)
    assert "Computing is the bottleneck" in story(page)

    page.get_by_role("radio", name="S", exact=True).check()
    page.keyboard.press("ArrowRight")  # B: the sizes are one group
    assert page.get_by_role("spinbutton", name="width D").input_value() == "768"
    page.get_by_role("radiogroup", name="patch P").get_by_role(
        "radio", name="4"
    ).check()
    agrees(page, "B/4")
    assert story(page).startswith("DiT-B/4: ")
    for control, value in {
        "precision": "fp32",
        "activations": "sqrt",
        "attention": "naive",
        "conditioning": "cross_attention",
    }.items():
        page.get_by_role("combobox", name=control).select_option(value)
    choices = dict(
        conditioning="cross_attention",
        precision="fp32",
        checkpointing="sqrt",
        kernel="naive",
    )
    agrees(page, "B/4", **choices)
    page.get_by_role("spinbutton", name="heads h").fill("8")
    page.get_by_role("spinbutton", name="batch").fill("1000")
    page.get_by_role("spinbutton", name="accumulation").press("ArrowUp")
    agrees(page, "B/4", batch=1000, heads=8, accumulation=2, **choices)
    assert (
        page.get_by_role("radiogroup", name="size")
        .get_by_role("radio", checked=True)
        .count()
        == 0
    )
    assert story(page).startswith("This model: ")
    page.get_by_role("button", name="start again").click()
    agrees(page)

    page.get_by_role("combobox", name="device").select_option("A100")
    page.get_by_role("spinbutton", name="device count").fill("64")
    assert page.get_by_role("spinbutton", name="link, GB/s").input_value() == "25", (
        "beyond a node the network is the link"
    )
    for name, split in {
        "ZeRO-1": "zero1",
        "ZeRO-2": "zero2",
        "ZeRO-3": "zero3",
    }.items():
        page.get_by_role("radio", name=name).check()
        agrees(page, machine="A100", devices=64, split=split)
    assert "The link is the bottleneck" in story(page)
    page.get_by_role("spinbutton", name="link, GB/s").fill("1000")
    page.get_by_role("spinbutton", name="of peak, %").fill("5")
    page.get_by_role("radio", name="images").check()
    agrees(
        page,
        machine="A100",
        devices=64,
        split="zero3",
        link=1000,
        share=5,
        unit="images",
    )
    assert "Computing is the bottleneck" in story(page)


def test_what_does_not_fit_is_said_with_what_would(show):
    page = show(calculator(machine="4090"))
    assert "does not fit" in story(page)
    assert page.locator(".dit-cost-over").count() == 1
    parts = int(story(page).split("It fits with ")[1].split()[0])
    page.get_by_role("spinbutton", name="accumulation").fill(str(parts))
    assert "Training fits" in story(page)
    agrees(page, machine="4090", accumulation=parts)

    batch, heads, side = (
        page.get_by_role("spinbutton", name=name)
        for name in ("batch", "heads h", "side, pixels")
    )
    problem, before = page.locator(".dit-cost-problem"), shown(page)
    for field, value, words in (
        (batch, "0", "from 1"),
        (batch, "", "whole number"),
        (batch, "2.5", "whole number"),
        (heads, "7", "7 heads do not divide D = 1152"),
        (side, "100", "multiple of 8"),
    ):
        kept = field.input_value()
        field.fill(value)
        assert words in problem.inner_text()
        assert field.get_attribute("aria-invalid") is not None
        assert shown(page) == before, "nothing is computed from what cannot be"
        field.fill(kept)
        assert problem.inner_text() == ""
        assert field.get_attribute("aria-invalid") is None
    side.fill("8")
    assert (
        page.get_by_role("radiogroup", name="patch P")
        .get_by_role("radio", name="1", exact=True)
        .is_checked()
    ), "the largest patch that fits"
    assert (
        page.get_by_role("radiogroup", name="patch P")
        .get_by_role("radio", name="2", exact=True)
        .is_disabled()
    )


def test_the_address_is_the_state(show):
    page = show(
        calculator(), after='<h2 id="cost">an anchor</h2><p style="height: 3000px"></p>'
    )
    base = page.url
    page.evaluate("location.hash = 'cost'")
    assert page.evaluate("scrollY") > 0, "an anchor of the page still works"
    agrees(page)
    page.get_by_role("spinbutton", name="batch").fill("512")
    page.get_by_role("combobox", name="device").select_option("A100")
    page.get_by_role("spinbutton", name="memory, GB").fill("40")
    page.wait_for_function("location.hash.includes('memory=40')")
    shared = page.url
    page.goto(f"{base}?again")
    agrees(page)
    page.goto(shared.replace(base, f"{base}?once"))
    agrees(page, batch=512, machine="A100", memory=40)
    assert page.get_by_role("spinbutton", name="batch").input_value() == "512"
    page.reload()
    agrees(page, batch=512, machine="A100", memory=40)
    page.evaluate(f"location.hash = '#cost:{urlencode(dict(batch=8, devices=2))}'")
    page.wait_for_function(
        "JSON.parse(document.querySelector('.dit-explorer').dataset.results).batch "
        "=== 8"
    )
    agrees(page, batch=8, devices=2)


NONSENSE = {
    "batch": "-3", "devices": "1e99", "width": "NaN", "depth": "", "heads": "7",
    "image_size": "100", "patch_size": "3", "machine": "__proto__",
    "conditioning": "toString", "space": "constructor", "split": "<img src=x>",
    "peak": "Infinity", "__proto__": "1", "channels": "5", "price": "0x10",
}  # fmt: skip


def test_nonsense_in_the_address_is_ignored(show):
    page = show(calculator())
    for address in (
        urlencode(NONSENSE | {"price": "2e9"}),
        "%E0%A4%A",
        "&&&==&",
        "=",
        urlencode({"a" * 5000: 1}),
    ):
        page.goto(
            f"{page.url.split('#')[0].split('?')[0]}?{len(address)}#cost:{address}"
        )
        agrees(page)
    page.goto(
        f"{page.url.split('?')[0]}?last#cost:{urlencode(dict(heads=7, image_size=512, accumulation=4))}"
    )
    agrees(page, image_size=64, accumulation=4)


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_it_fits_its_width_and_nothing_moves(show, width, theme):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })"
    )
    page = show(
        calculator(),
        after=watch + "</script>",
        width=width,
        theme=f"data-theme={theme}",
    )
    page.wait_for_timeout(200)
    assert page.evaluate("shift") < 0.05
    for other in (width, 360, 768):
        page.set_viewport_size(dict(width=other, height=900))
        for machine in ("4090", "2 CPU cores", "H200"):
            page.get_by_role("combobox", name="device").select_option(machine)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.get_by_role("combobox", name="device").blur()
        boxes = page.locator(
            ".dit-cost-fields input, .dit-cost-fields select, .dit-option, button"
        ).evaluate_all(
            "nodes => nodes.map(n => n.getBoundingClientRect()).map(b => "
            "[b.width, b.height])"
        )
        assert np.array(boxes)[:, 1].min() >= 40
        assert np.array(boxes)[:, 0].min() >= 30
        cut = page.locator(
            ".dit-cost-field .dit-name, .dit-cost-tiles .dit-value"
        ).evaluate_all(
            "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1).map(n "
            "=> n.textContent)"
        )
        assert not cut
