"""The patch playground in a real browser, by mouse, by keyboard and by touch: what
it shows is what Python computes.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from browser import pixels

import dit_lite
from dit_lite.model import patchify, unpatchify
from dit_lite.widgets import example_picture, patch_explorer

pytestmark = pytest.mark.browser
PICTURE, GREY = (
    example_picture(32),
    np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8),
)
IMAGES = {"landscape": PICTURE, "grey": GREY}


def tokens(image: np.ndarray, patch: int) -> torch.Tensor:
    """(H, H[, C]) -> (N, P*P*C), by the model's own patchify."""
    image = image[..., None] if image.ndim == 2 else image
    return patchify(
        torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None], patch
    )[0]


def back(page, channels: int = 3) -> np.ndarray:
    return pixels(
        page.get_by_role("img", name="the picture put back together"), channels
    )


def order(page) -> list[int]:
    return [
        int(p)
        for p in page.locator(".dit-ribbon").get_attribute("data-order").split(",")
    ]


def looked(page) -> tuple[int, int]:
    """The patch that is looked at, and its place in the sequence."""
    data = page.locator(".dit-explorer").evaluate("node => ({ ...node.dataset })")
    return int(data["patch"]), int(data["place"])


def bill(page) -> dict[str, int]:
    return {
        key: int(value)
        for key, value in page.locator(".dit-bill")
        .evaluate("node => ({ ...node.dataset })")
        .items()
    }


def shown(image: np.ndarray, size: int) -> np.ndarray:
    """An image at another side, (size, size, 3), as floats: means of blocks, or
    repeated pixels.
    """
    image = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image
    if size >= len(image):
        return (
            image.repeat(size // len(image), 0)
            .repeat(size // len(image), 1)
            .astype(float)
        )
    k = len(image) // size
    return image.reshape(size, k, size, k, 3).mean((1, 3))


def pick(page, group: str, value) -> None:
    page.get_by_role("radiogroup", name=group, exact=True).get_by_role(
        "radio", name=str(value), exact=True
    ).check()


@pytest.mark.parametrize("image", IMAGES)
def test_numbers_are_those_of_the_package(show, image):
    page = show(patch_explorer(IMAGES))
    pick(page, "image", image)
    for size, patch, width in [
        (32, 4, 384),
        (8, 8, 64),
        (16, 2, 1152),
        (64, 1, 64),
        (64, 16, 768),
    ]:
        for group, value in {
            "size H": size,
            "patch P": patch,
            "width D": width,
        }.items():
            pick(page, group, value)
        channels = 3 if image == "landscape" else 1
        config = dit_lite.DiTConfig(
            image_size=size,
            channels=channels,
            patch_size=patch,
            width=width,
            depth=1,
            heads=4,
            conditioning="adaln_zero",
        )
        costs, seen = dit_lite.flops(config), bill(page)
        assert seen["count"] == seen["n"] == config.tokens
        assert seen["values"] == patch**2 * channels
        assert seen["parameters"] == costs["patch_embedding"].parameters
        assert seen["token"] == costs["attention_projections"].macs + costs["mlp"].macs
        assert seen["pair"] == costs["attention_scores"].macs
        assert seen["once"] == costs["conditioning"].macs
        assert seen["crossover"] == 6 * width
        text = page.locator(".dit-bill").inner_text()
        for value in (
            seen["count"],
            seen["values"],
            seen["parameters"],
            seen["crossover"],
        ):
            assert f"{value:,}" in text
        assert (
            f"a sequence of {config.tokens:,} token"
            in page.locator(".dit-story").inner_text()
        )
        assert ("Beyond N = 6D" in page.locator(".dit-story").inner_text()) == (
            config.tokens > 6 * width
        )
        assert np.abs(back(page) - shown(IMAGES[image], size)).max() <= 0.5, (
            "put back together it is the image"
        )


def test_the_shares_are_written_and_drawn(show):
    page = show(patch_explorer(IMAGES, width=64))
    pick(page, "patch P", 1)  # 1,024 tokens, beyond 6 x 64
    seen = bill(page)
    parts = np.array([seen[key] for key in ("token", "pair", "once")])
    written = [
        float(text.removesuffix(" %").removeprefix("< "))
        for text in page.locator(".dit-share").all_inner_texts()
    ]
    assert written == pytest.approx(100 * parts / parts.sum(), abs=0.5)
    drawn = np.array(
        page.locator(".dit-shares span").evaluate_all(
            "nodes => nodes.map(node => node.offsetWidth)"
        )
    )
    assert drawn / drawn.sum() == pytest.approx(parts / parts.sum(), abs=0.01)
    total = page.locator(".dit-sum .dit-value").inner_text()
    assert total == f"{parts.sum() / 1e6:.3g} M"
    cross, dot, area = (
        page.locator(f".dit-curve {name}").evaluate(
            "n => (b => [b.x + (n.className === 'dit-dot') * b.width / 2, "
            "b.width])(n.getBoundingClientRect())"
        )
        for name in (".dit-cross", ".dit-dot", ".dit-area")
    )
    end = 2 ** np.ceil(np.log2(12 * 1152))
    for (x, _), n in ((cross, 6 * 64), (dot, 1024)):
        assert (x - area[0]) / area[1] == pytest.approx(
            np.log2(n) / np.log2(end), abs=0.01
        )


def test_only_patches_that_divide_are_offered_and_the_choice_comes_back(show):
    page = show(
        patch_explorer(
            {"a": np.zeros((24, 24), np.uint8)}, sizes=(6, 24), size=24, patch=8
        )
    )

    def offered():
        return page.locator(".dit-sides input").evaluate_all(
            "nodes => nodes.map(node => +node.ariaLabel)"
        )

    assert offered() == [1, 2, 3, 4, 6, 8, 12, 24]
    pick(page, "size H", 6)
    assert offered() == [1, 2, 3, 6]
    assert page.locator(".dit-sides :checked").get_attribute("aria-label") == "6", (
        "the largest that is not larger"
    )
    pick(page, "size H", 24)
    assert page.locator(".dit-sides :checked").get_attribute("aria-label") == "8"


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_shuffled_and_dropped_tokens_are_put_back(show, by):
    page, cut = show(patch_explorer(IMAGES)), tokens(PICTURE, 4)

    def press(name):
        button = page.get_by_role("button", name=name)
        button.click() if by == "mouse" else button.press("Enter")

    def place(name):
        radio = page.get_by_role("radio", name=f"by {name}")
        radio.check() if by == "mouse" else radio.press("Space")

    assert order(page) == list(range(64))
    assert page.get_by_role("button", name="restore").is_disabled()
    press("shuffle")
    mixed = order(page)
    assert mixed != list(range(64))
    assert sorted(mixed) == list(range(64))
    np.testing.assert_array_equal(
        back(page), unpatchify(cut[mixed][None], 4, 3)[0].permute(1, 2, 0)
    )
    assert "sees no difference" in page.locator(".dit-said").inner_text()
    place("position")
    np.testing.assert_array_equal(back(page), PICTURE)
    assert (
        "order of the sequence no longer matters"
        in page.locator(".dit-said").inner_text()
    )

    press("drop half")
    kept = order(page)
    assert kept == [p for p in mixed if p in kept]
    assert len(kept) == 32
    there = tokens(back(page, 4)[..., 3], 4).mean(1)
    assert (there == torch.tensor([255.0 * (p in kept) for p in range(64)])).all(), (
        "gaps where patches are missing"
    )
    np.testing.assert_array_equal(tokens(back(page, 4)[..., :3], 4)[kept], cut[kept])
    place("order")
    shown = back(page, 4)
    np.testing.assert_array_equal(tokens(shown[..., :3], 4)[:32], cut[kept])
    assert (shown[:16, :, 3] == 255).all()
    assert (shown[16:, :, 3] == 0).all(), "closed up"
    assert "32 of 64 tokens, closed up" in page.locator(".dit-said").inner_text()
    seen = bill(page)
    assert (seen["count"], seen["n"], seen["pair"]) == (64, 32, 2 * 32**2 * 384), (
        "half the tokens, a quarter of the pairs"
    )

    for left in (16, 8, 4, 2, 1):
        press("drop half")
        assert len(order(page)) == left
    assert page.get_by_role("button", name="drop half").is_disabled()
    press("restore")
    assert order(page) == list(range(64))
    np.testing.assert_array_equal(back(page), PICTURE)


def test_another_cut_starts_from_the_whole_sequence_and_another_image_keeps_it(show):
    page = show(patch_explorer(IMAGES))
    page.get_by_role("button", name="shuffle").click()
    mixed = order(page)
    pick(page, "image", "grey")
    assert order(page) == mixed
    pick(page, "patch P", 8)
    assert order(page) == list(range(16))
    pick(page, "patch P", 32)
    assert order(page) == [0]
    assert page.get_by_role("button", name="shuffle").is_disabled()


def test_the_sequence_draws_the_patches_in_their_order(show):
    page = show(patch_explorer({"grey": GREY}, size=8, patch=1))
    page.get_by_role("button", name="shuffle").click()
    row = page.locator(".dit-ribbon")
    columns, cell, gap = (
        int(row.get_attribute(f"data-{name}")) for name in ("columns", "cell", "gap")
    )
    drawn, middle = pixels(row.locator("canvas"), 4), (cell - gap) // 2
    for place, patch in enumerate(order(page)):
        y, x = place // columns * cell, place % columns * cell
        assert drawn[y + middle, x + middle].tolist() == [GREY.flat[patch]] * 3 + [255]
        assert gap == 0 or drawn[y + cell - 1, x + middle, 3] == 0


def test_a_patch_and_its_token_are_looked_at_together(show):
    page = show(patch_explorer(IMAGES))
    page.get_by_role("button", name="shuffle").click()
    mixed = order(page)

    def at(node, x, y):
        box = node.bounding_box()
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    image, sequence = page.locator(".dit-cut .dit-sheet"), page.locator(".dit-ribbon")
    at(image, 0.99, 0.4)
    assert looked(page) == (3 * 8 + 7, mixed.index(31))
    columns, cell = (
        int(sequence.get_attribute(f"data-{name}")) for name in ("columns", "cell")
    )
    box = sequence.bounding_box()
    at(sequence, 2.5 * cell / box["width"], 1.5 * cell / box["height"])
    assert looked(page) == (mixed[columns + 2], columns + 2)
    at(page.locator(".dit-back .dit-sheet"), 0.3, 0.9)
    assert looked(page) == (mixed[7 * 8 + 2], 58)
    marks = page.locator(".dit-sheet .dit-spot").evaluate_all(
        "nodes => nodes.map(node => [parseFloat(node.style.left), "
        "parseFloat(node.style.top)])"
    )
    assert marks == [[mixed[58] % 8 * 12.5, mixed[58] // 8 * 12.5], [25, 87.5]]

    patch, token = (
        page.get_by_role("slider", name="patch of the image"),
        page.get_by_role("slider", name="token of the sequence"),
    )
    token.press("Home")
    assert looked(page)[1] == 0
    token.press("ArrowRight")
    assert looked(page) == (mixed[1], 1)
    assert (
        token.get_attribute("aria-valuetext")
        == f"token 2, from row {mixed[1] // 8 + 1}, column {mixed[1] % 8 + 1}"
    )
    patch.press("Home")
    for key, expected in {
        "ArrowUp": 0,
        "ArrowLeft": 0,
        "ArrowDown": 8,
        "ArrowRight": 9,
        "End": 63,
    }.items():
        patch.press(key)
        assert looked(page)[0] == expected
    patch.press("ArrowDown")
    patch.press("ArrowRight")
    assert looked(page)[0] == 63, "at the edge it stays"
    assert patch.get_attribute("aria-valuenow") == "64"

    page.get_by_role("button", name="drop half").click()
    gone = next(p for p in range(64) if p not in order(page))
    patch.press("Home")
    for key, times in (("ArrowDown", gone // 8), ("ArrowRight", gone % 8)):
        for _ in range(times):
            patch.press(key)
    assert looked(page) == (gone, -1)
    assert token.get_attribute("aria-valuetext") == "dropped"
    assert (
        page.locator(".dit-tokens .dit-title")
        .nth(1)
        .inner_text()
        .startswith("dropped · ")
    )


def test_a_finger_chooses_a_patch(show):
    page = show(patch_explorer(IMAGES), has_touch=True, width=390)
    box = page.locator(".dit-cut .dit-sheet").bounding_box()
    page.touchscreen.tap(box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"])
    assert looked(page) == (8 + 5, 13)
    page.get_by_role("button", name="shuffle").tap()
    assert order(page) != list(range(64))


@pytest.mark.parametrize(
    ("image", "patch"), [("landscape", 4), ("landscape", 32), ("grey", 2)]
)
def test_a_token_is_the_flattened_patch(show, image, patch):
    page = show(patch_explorer(IMAGES, patch=patch))
    pick(page, "image", image)
    page.get_by_role("slider", name="patch of the image").press("End")
    drawn = pixels(page.locator(".dit-token"))[0]
    source = PICTURE if image == "landscape" else GREY.repeat(4, 0).repeat(4, 1)
    values = tokens(source, patch)[-1][:192].numpy()
    assert (drawn.max(-1) == values).all()
    if image == "landscape":
        assert (
            drawn == values[:, None] * np.eye(3)[np.arange(len(values)) % 3]
        ).all(), "red, green, blue"
        assert (
            f"192 of {3 * patch**2:,} values"
            in page.locator(".dit-tokens").inner_text()
        ) == (patch == 32)


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_it_fits_its_width_and_nothing_moves(show, width):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })"
    )
    page = show(patch_explorer(IMAGES), after=watch + "</script>", width=width)
    for size, patch in ((None, None), (64, 1), (64, 64), (8, 1)):
        if size:
            pick(page, "size H", size)
            pick(page, "patch P", patch)
            pick(page, "width D", 1152)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (
            np.min(
                page.locator("button, .dit-option").evaluate_all(
                    "nodes => nodes.map(n => n.getBoundingClientRect()).map(b => "
                    "[b.width, b.height])"
                )
            )
            >= 40
        )
        wide = page.locator(".dit-body *").evaluate_all(
            "nodes => nodes.filter(n => n.clientWidth && n.scrollWidth > "
            "n.clientWidth + 1 && n.matches('div')).map(n => n.className)"
        )
        assert not set(wide) - {"dit-area"}, "ticks alone reach beyond their box"
        if not size:
            page.wait_for_timeout(200)
            assert page.evaluate("shift") < 0.05


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_gaps_follow_the_theme(show, theme):
    page = show(patch_explorer(IMAGES), theme=f"data-theme={theme}")
    page.get_by_role("button", name="drop half").click()
    row = page.locator(".dit-ribbon canvas")
    assert (pixels(row, 4)[..., 3] == 0).any(), "the page shows through"
    ink = page.locator(".dit-bill").evaluate("node => getComputedStyle(node).color")
    assert (np.mean([int(c) for c in re.findall(r"\d+", ink)[:3]]) > 128) == (
        theme == "dark"
    )
