"""The attention explorer in a real browser, by mouse, by keyboard and by touch: what
it shows is what Python computes from the exact maps.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from browser import pixels

from dit_lite import DiT, preset, record_attention
from dit_lite.analysis import entropy, mean_distance
from dit_lite.widgets import attention_explorer

pytestmark = pytest.mark.browser
T, L, h, N = 3, 4, 4, 16
TIMES = [0.9, 0.5, 0.1]
WORDS = ["time", "class <3>"]


def model_maps() -> tuple[torch.Tensor, torch.Tensor]:
    """Self- and cross-attention of a model, (T, L, h, N, N) and (T, L, h, N, 2). Its
    weights are made large, so that the maps differ.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DiT(preset("digits", conditioning="cross_attention"))
        for block in model.blocks:
            for linear in (
                block.attention.qkv,
                block.cross.query,
                block.cross.key_value,
            ):
                torch.nn.init.normal_(linear.weight, std=0.3)
            torch.nn.init.normal_(block.cross.out.weight, std=0.1)
        x = torch.randn(T, 1, 8, 8)
    with (
        record_attention(model) as maps,
        record_attention(model, "cross") as cross,
        torch.no_grad(),
    ):
        model(x, torch.tensor(TIMES), torch.full((T,), 3))
        return torch.stack(maps, 1).double(), torch.stack(cross, 1).double()


SELF, CROSS = model_maps()
IMAGES = np.random.default_rng(0).integers(0, 256, (T, 8, 8), dtype=np.uint8)
QUANTISED = 1 / 510 + 1e-6


def words(**first):
    return attention_explorer(IMAGES, SELF, TIMES, CROSS, WORDS, **first)


def seen(page) -> SimpleNamespace:
    data = page.locator(".dit-explorer").evaluate("node => ({ ...node.dataset })")
    return SimpleNamespace(
        **{key: value if key == "view" else int(value) for key, value in data.items()}
    )


def gauges(page) -> list[float]:
    return [
        float(node.get_attribute("data-value"))
        for node in page.locator(".dit-gaze-number").all()
    ]


def with_mean(weights: torch.Tensor) -> torch.Tensor:
    return torch.cat([weights, weights.mean(2, keepdim=True)], 2)


def check(
    page,
    time: int,
    layer: int,
    head: int,
    patch: int,
    view: str = "from",
    word: int | None = None,
) -> None:
    """Everything on the page against Python."""
    state = seen(page)
    assert (state.time, state.layer, state.head, state.patch, state.view) == (
        time,
        layer,
        head,
        patch,
        view,
    )
    weights, cross = (
        with_mean(SELF)[time, layer, head],
        with_mean(CROSS)[time, layer, head],
    )
    expected = {
        "from": weights[patch],
        "to": weights[:, patch],
        "word": cross[:, word or 0],
    }[view].numpy()
    peaks = (cross if view == "word" else weights).amax(-1).max().item()
    shown = np.array(
        page.locator(".dit-gaze-where rect[data-weight]").evaluate_all(
            "nodes => nodes.map(node => +node.dataset.weight)"
        )
    )
    assert (
        np.abs(shown - expected).max()
        <= QUANTISED * max(peaks, expected.max()) + (head == h) * QUANTISED
    )
    written = np.array(
        [int(text) for text in page.locator(".dit-gaze-where text").all_text_contents()]
    )
    assert np.abs(written - 100 * expected).max() <= 0.72
    strength = np.array(
        page.locator(".dit-gaze-where rect[data-weight]").evaluate_all(
            "nodes => nodes.map(node => +node.getAttribute('fill-opacity'))"
        )
    )
    top = (CROSS if view == "word" else SELF).max().item()
    np.testing.assert_allclose(strength, np.sqrt(shown / top), atol=1e-3)
    small = (
        page.locator(".dit-gaze-strip .dit-gaze-cell")
        .nth(layer * (h + 1) + head)
        .locator("rect[fill-opacity]")
    )
    np.testing.assert_allclose(
        small.evaluate_all(
            "nodes => nodes.map(node => +node.getAttribute('fill-opacity'))"
        ),
        strength,
    )

    story = page.locator(".dit-story").inner_text()
    assert story.startswith(
        f"Layer {layer + 1}, "
        f"{'mean over heads' if head == h else f'head {head + 1}'}, at t = "
        f"{TIMES[time]:.2f}: "
    )
    best = shown.argmax()
    if view == "from":
        numbers = [
            entropy(weights)[patch] / np.log(2),
            entropy(weights).exp()[patch],
            mean_distance(weights)[patch],
        ]
        assert gauges(page) == pytest.approx([n.item() for n in numbers], rel=1e-5)
        even = mean_distance(torch.full((N, N), 1 / N, dtype=torch.float64))[
            patch
        ].item()
        assert float(
            page.locator('[data-key="distance"]').get_attribute("data-even")
        ) == pytest.approx(even)
        texts = page.locator(".dit-gaze-number .dit-value").all_inner_texts()
        assert texts[0] == f"{numbers[0]:.2f} bits"
        assert texts[2].startswith(f"{numbers[2]:.2f} patch")
    else:
        received = weights[:, patch].sum() if view == "to" else cross[:, word].mean()
        assert gauges(page)[0] == pytest.approx(received.item(), rel=1e-5)
        assert gauges(page)[1] == shown[best]
    if not (view != "word" and best == patch):
        assert f"row {best // 4 + 1}, column {best % 4 + 1}" in story
    chips = page.get_by_role("grid", name="words").get_by_role("gridcell")
    lit = np.array(
        chips.evaluate_all("nodes => nodes.map(node => +node.dataset.weight)")
    )
    assert np.abs(lit - cross[patch].numpy()).max() <= QUANTISED
    assert [text.split("\n")[0] for text in chips.all_inner_texts()] == WORDS
    board = page.get_by_role("grid", name="words")
    assert float(board.get_attribute("data-support")) == pytest.approx(
        entropy(cross).exp()[patch].item(), rel=1e-5
    )
    assert (
        pixels(page.locator(".dit-gaze-sheet canvas"))[..., 0] == IMAGES[time]
    ).all()


def test_every_number_is_pythons_by_keyboard(show):
    page = show(words(layer=1, head=2))
    check(page, 1, 1, 2, 9)
    patches = page.get_by_role("grid", name="the query patch")
    assert patches.locator("[tabindex='0']").count() == 1, "one stop for the tab key"
    patches.locator("[tabindex='0']").focus()
    for key, patch in [
        ("ArrowRight", 10),
        ("ArrowUp", 6),
        ("Home", 4),
        ("ArrowLeft", 4),
        ("ArrowDown", 8),
        ("ArrowDown", 12),
        ("ArrowDown", 12),
        ("End", 15),
    ]:
        page.keyboard.press(key)
        check(page, 1, 1, 2, patch)
        focused = (
            "node => node.getAttribute('aria-label') + "
            "node.getAttribute('aria-selected')"
        )
        assert (
            page.locator(":focus").evaluate(focused)
            == f"row {patch // 4 + 1}, column {patch % 4 + 1}true"
        )
    strip = page.get_by_role("grid", name="layer and head")
    strip.locator("[tabindex='0']").focus()
    for key, layer, head in [
        ("ArrowDown", 2, 2),
        ("ArrowLeft", 2, 1),
        ("End", 2, h),
        ("ArrowRight", 2, h),
        ("ArrowUp", 1, h),
    ]:
        page.keyboard.press(key)
        check(page, 1, layer, head, 15)
    page.get_by_role("radio", name="0.50").focus()
    page.keyboard.press("ArrowRight")
    check(page, 2, 1, h, 15)
    page.get_by_role("radio", name="attention from it").focus()
    page.keyboard.press("ArrowRight")
    check(page, 2, 1, h, 15, "to")
    page.keyboard.press("ArrowRight")
    check(page, 2, 1, h, 15, "word", 0)
    page.get_by_role("grid", name="words").locator("[tabindex='0']").press("ArrowRight")
    check(page, 2, 1, h, 15, "word", 1)


def test_the_mouse_looks_and_a_click_keeps(show):
    page = show(words(layer=0, head=0, patch=0))

    def patch(i):
        return (
            page.get_by_role("grid", name="the query patch")
            .get_by_role("gridcell")
            .nth(i)
        )

    patch(6).hover()
    check(page, 1, 0, 0, 6)
    patch(11).hover()
    check(page, 1, 0, 0, 11)
    page.mouse.move(2, 2)
    check(page, 1, 0, 0, 0)
    patch(11).click()
    page.mouse.move(2, 2)
    check(page, 1, 0, 0, 11)
    page.get_by_role("gridcell", name="layer 3, mean over heads").click()
    check(page, 1, 2, h, 11)
    page.get_by_role("gridcell", name="class <3>").hover()
    check(page, 1, 2, h, 11, "word", 1)
    page.mouse.move(2, 2)
    check(page, 1, 2, h, 11)
    page.get_by_role("gridcell", name="class <3>").click()
    page.mouse.move(2, 2)
    check(page, 1, 2, h, 11, "word", 1)
    page.get_by_role("radio", name="attention to it").check()
    check(page, 1, 2, h, 11, "to")
    page.get_by_role("radio", name="0.90").check()
    check(page, 0, 2, h, 11, "to")


def test_the_ends_of_the_scale_are_told(show):
    even, one = torch.full((2, 1, 1, N, N), 1 / N), torch.eye(N).expand(2, 1, 1, N, N)
    both = torch.cat([even[:1], one[:1]])
    page = show(attention_explorer(IMAGES[:2], both, [1.0, 0.0], time=0))
    story = page.locator(".dit-story")
    assert "attends almost equally to all 16 patches" in story.inner_text()
    assert "about as far as uniform attention" in story.inner_text()
    assert gauges(page) == pytest.approx(
        [4, 16, mean_distance(even[0, 0])[0, 9].item()], rel=1e-5
    )
    page.get_by_role("radio", name="0.00").check()
    assert "attends almost exclusively to one patch" in story.inner_text()
    assert "goes to itself; on average it attends nearer than" in story.inner_text()
    assert gauges(page) == pytest.approx([0, 1, 0])
    assert page.locator(".dit-gaze-where text").nth(9).inner_html() == "100"
    assert page.get_by_role("grid", name="words").count() == 0
    page.get_by_role("radio", name="attention to it").check()
    assert (
        "receives about what uniform attention would give. Most comes from itself"
        in story.inner_text()
    )


def test_many_times_heads_and_patches_fit_a_phone_and_a_finger_chooses(show):
    maps = (
        3 * torch.randn(9, 6, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    ).softmax(-1)
    images = np.random.default_rng(1).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    page = show(
        attention_explorer(images, maps, np.linspace(1, 0.2, 9)),
        width=360,
        has_touch=True,
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("grid", name="the query patch").get_by_role("gridcell").nth(
        13
    ).tap()
    page.get_by_role("gridcell", name="layer 5, head 6").tap()
    page.get_by_role("slider", name="time t").press("End")
    state = seen(page)
    assert (state.time, state.layer, state.head, state.patch) == (8, 4, 5, 13)
    row = maps[8, 4, 5].double()
    expected = [
        entropy(row)[13] / np.log(2),
        entropy(row).exp()[13],
        mean_distance(row)[13],
    ]
    assert gauges(page) == pytest.approx([value.item() for value in expected], rel=1e-5)
    assert "t = 0.20" in page.locator(".dit-story").inner_text()


@pytest.mark.parametrize(
    ("width", "theme"), [(360, "light"), (390, "dark"), (768, "light"), (1280, "dark")]
)
def test_it_fits_its_width_follows_the_theme_and_nothing_moves(show, width, theme):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })"
    )
    page = show(
        words(),
        attention_explorer(IMAGES, SELF, TIMES),
        after=watch + "</script>",
        theme=f"data-theme={theme}",
        width=width,
    )
    page.wait_for_timeout(200)
    assert page.evaluate("shift") < 0.05
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = (
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => "
        "[box.width, box.height])"
    )
    assert (
        np.min(
            page.locator(".dit-option, .dit-gaze-words [role=gridcell]").evaluate_all(
                sizes
            )
        )
        >= 40
    )
    assert np.min(page.locator(".dit-gaze-cell").evaluate_all(sizes)) >= 34
    spare = """bodies => bodies.map(body => {
        const reserved = parseFloat(getComputedStyle(body).minHeight);
        body.style.minHeight = 0;
        return reserved - body.offsetHeight;
    })"""
    rooms = page.locator(".dit-body").evaluate_all(spare)
    assert min(rooms) > -30
    assert max(rooms) < 60
    body = page.locator(".dit-body").first
    height = body.evaluate("node => node.offsetHeight")
    for name in ("attention to it", "attention to the word", "attention from it"):
        page.get_by_role("radio", name=name).first.check()
        assert abs(body.evaluate("node => node.offsetHeight") - height) < 30, (
            "nothing jumps under the reader's hand"
        )
    ink = page.locator(".dit-explorer").first.evaluate(
        "node => getComputedStyle(node).color"
    )
    assert (np.mean([int(c) for c in re.findall(r"\d+", ink)[:3]]) > 128) == (
        theme == "dark"
    )


def test_two_on_a_page_leave_no_trace_and_keep_keys_to_themselves(show):
    count = (
        "<script>keys = 0; document.addEventListener('keydown', () => keys++); "
        "globals = new Set(Object.keys(window))</script>"
    )
    page = show(words(), words(), after=count)
    assert (
        page.evaluate(
            "Object.keys(window).filter(name => !globals.has(name) && name !== "
            "'globals')"
        )
        == []
    )
    for kind in ("the query patch", "layer and head", "words"):
        page.get_by_role("grid", name=kind).first.locator("[tabindex='0']").press(
            "ArrowRight"
        )
    assert page.evaluate("keys") == 0, "JupyterLab would act on keys that come through"
    states = page.locator(".dit-explorer").evaluate_all(
        "nodes => nodes.map(node => node.dataset.patch)"
    )
    assert states == ["10", "9"], "each is its own"
