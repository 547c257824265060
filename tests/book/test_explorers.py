"""The explorers in a real browser: what they show is what Python computes, by mouse
and by keyboard, on every width and theme.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from browser import pixels

from dit_lite.diffusion import OBJECTIVES, PATHS
from dit_lite.widgets import (
    choose,
    example_picture,
    image_grid,
    noise_explorer,
    patch_explorer,
    predict,
    sampling_explorer,
)

pytestmark = pytest.mark.browser
S, GUIDANCE, CLASSES = 15, (1.0, 1.5, 4.0), tuple("abcdefghijkl")
IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5)).astype(np.float32)
EPS = np.random.default_rng(1).standard_normal((3, 6, 5)).astype(np.float32)
FRAMES, X0 = np.random.default_rng(2).integers(
    0, 256, (2, 3, 12, S + 1, 4, 4, 3), dtype=np.uint8
)
SURE = np.random.default_rng(3).uniform(0, 1, (3, 12, S + 1))
SEEN = np.random.default_rng(4).integers(0, 10, (3, 12, S + 1))


def everything():
    return (
        noise_explorer(IMAGES, EPS, ["one", "two", "three"]),
        sampling_explorer(
            FRAMES,
            X0,
            np.linspace(1, 0, S + 1),
            {"guidance": GUIDANCE, "class": CLASSES},
            {"judge": SEEN, "confidence": SURE},
        ),
        predict(
            "How many <em>parameters</em>?",
            7e8,
            1e6,
            1e10,
            log=True,
            explanation="Most sit in the blocks.",
        ),
        predict(
            "What share?",
            28.25,
            0,
            100,
            "%",
            explanation="It falls early; see <code>PATHS</code>.",
        ),
        choose(
            "Which one?",
            ["x<sub>0</sub>", "eps", "neither of the two, since the sentence is long"],
            1,
            "Because.",
        ),
        image_grid(IMAGES[:, None], "three pictures of noise", ["a", "b", "c"]),
        patch_explorer(
            {"landscape": example_picture(16), "noise": FRAMES[0, 0, 0]},
            sizes=(16,),
            size=16,
        ),
    )


def row(page, path: str) -> dict[str, float]:
    data = page.locator(f'[data-path="{path}"]').evaluate(
        "node => ({ ...node.dataset })"
    )
    return {key: float(value) for key, value in data.items() if key != "path"}


@pytest.mark.parametrize("t", [0.0, 0.001, 0.0005, 0.1234567, 0.5, 0.75, 0.999, 1.0])
def test_paths_in_javascript_agree_with_python(show, t):
    page = show(noise_explorer(IMAGES, EPS, t=t))
    for name, path in PATHS.items():
        at = torch.tensor(t, dtype=torch.float64)
        (a, s), (da, ds), shown = (
            path.alpha_sigma(at),
            path.derivative(at),
            row(page, name),
        )
        for key, value in {
            "a": a,
            "s": s,
            "da": da,
            "ds": ds,
            "logSnr": path.log_snr(at),
        }.items():
            assert shown[key] == pytest.approx(value.item(), abs=1e-6, rel=1e-6), (
                name,
                key,
            )


def test_scrubbing_by_keyboard_and_mouse_moves_the_paths(show):
    page = show(noise_explorer(IMAGES, EPS))
    time = page.get_by_role("slider", name="time t")
    assert row(page, "linear")["a"] == 0.5, "the first state is in the middle"
    time.focus()
    for key, t in [
        ("ArrowRight", 0.51),
        ("ArrowLeft", 0.5),
        ("PageUp", 0.6),
        ("End", 1.0),
        ("Home", 0.0),
    ]:
        page.keyboard.press(key)
        for name, path in PATHS.items():
            assert row(page, name)["a"] == pytest.approx(
                path.alpha_sigma(torch.tensor(t, dtype=torch.float64))[0].item(),
                abs=1e-6,
            )
        assert f"t = {t:.2f}" in page.locator("[aria-live=polite]").first.inner_text()
    box = time.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert row(page, "linear")["s"] == pytest.approx(0.75, abs=0.02)


def test_tiles_show_the_mixture_and_the_targets_of_every_path(show):
    page, t = (
        show(noise_explorer(IMAGES, EPS, t=0.3)),
        torch.tensor(0.3, dtype=torch.float64),
    )
    page.get_by_role("radio", name="image 2").check()
    for name, path in PATHS.items():
        (a, s), (da, ds) = path.alpha_sigma(t), path.derivative(t)
        x = a.item() * IMAGES[1] + s.item() * EPS[1]
        shown = pixels(page.locator(f'[data-path="{name}"] canvas').nth(0))[..., 0]
        assert np.abs(shown - ((x + 1) * 127.5).clip(0, 255)).max() <= 1
        for column, objective in {1: "eps", 3: "v", 4: "flow"}.items():
            p, q = OBJECTIVES[objective](a, s, da, ds)
            values = p.item() * IMAGES[1] + q.item() * EPS[1]
            red, _, blue = np.moveaxis(
                pixels(page.locator(f'[data-path="{name}"] canvas').nth(column)).astype(
                    int
                ),
                -1,
                0,
            )
            strong = np.abs(values) > 0.1
            assert (np.sign(red - blue)[strong] == np.sign(values)[strong]).all(), (
                "orange above zero, blue below"
            )


def test_colour_images_keep_their_colours(show):
    colored = np.random.default_rng(5).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    page = show(noise_explorer(colored, t=0.0))
    assert (
        np.abs(
            pixels(page.locator('[data-path="linear"] canvas').nth(0))
            - (colored[0] + 1) * 127.5
        ).max()
        <= 1
    )


def test_sampling_shows_the_frames_of_the_chosen_trajectory(show):
    page = show(everything()[1])
    state, predicted = (
        page.get_by_role("img", name=name)
        for name in ("state x_t", "predicted image x0")
    )

    def check(g, k, step):
        assert (pixels(state) == FRAMES[g, k, step]).all()
        assert (pixels(predicted) == X0[g, k, step]).all()
        spoken = page.locator(".dit-spoken").inner_text()
        assert f"Step {step} of {S}" in spoken
        assert (
            f"guidance {GUIDANCE[g]:g}, class {CLASSES[k]}, judge {SEEN[g, k, step]}"
            in spoken
        )
        assert float(re.search(r"confidence ([\d.]+)", spoken)[1]) == pytest.approx(
            SURE[g, k, step], rel=0.06
        )

    check(0, 0, 8)
    page.get_by_role("radio", name="1.5").check()
    check(1, 0, 8)
    page.keyboard.press("ArrowRight")
    check(2, 0, 8)
    page.get_by_role("slider", name="class").focus()  # twelve values: a slider
    page.keyboard.press("End")
    check(2, 11, 8)
    page.get_by_role("slider", name="step").focus()
    page.keyboard.press("ArrowLeft")
    check(2, 11, 7)
    page.get_by_role("radio", name=f"step {S}").click()
    check(2, 11, S)
    # the strip is one group: after the last comes the first
    page.keyboard.press("ArrowRight")
    check(2, 11, 0)
    for i in range(12):
        assert (
            page.locator(".dit-strip canvas").nth(2 * i).get_attribute("width") == "4"
        )


def test_trajectories_of_few_and_of_many_steps_lie_side_by_side(show):
    times, taken = (
        np.array([[1, 0.5, 0.5, 0], [1, 0.7, 0.3, 0]]),
        np.array([[0, 1, 1, 2], [0, 3, 7, 10]]),
    )
    shortened = (
        np.broadcast_to(part[:, None], (2, 2, 4, 4, 4, 3))
        for part in (FRAMES[:2, 0, :4], X0[:2, 0, :4])
    )
    page = show(
        sampling_explorer(
            *shortened,
            times[:, None],
            {"steps": [2, 10], "seed": [0, 1]},
            taken=taken[:, None],
            step=2,
        )
    )
    state, scrub = (
        page.get_by_role("img", name="state x_t"),
        page.get_by_role("slider", name="step"),
    )
    for s, steps in enumerate(("2", "10")):
        page.get_by_role("radio", name=steps, exact=True).check()
        scrub.focus()
        page.keyboard.press("Home")
        for i in range(4):
            assert (pixels(state) == FRAMES[s, 0, i]).all()
            assert (
                page.locator(".dit-spoken")
                .inner_text()
                .startswith(
                    f"Step {taken[s, i]} of {steps}, t = {times[s, i]:g}, steps "
                    f"{steps}, seed 0"
                )
            )
            assert scrub.get_attribute("aria-valuetext") == f"{taken[s, i]} of {steps}"
            assert (
                f"t = {times[s, i]:.2f}"
                in page.locator(".dit-caption").first.inner_text()
            )
            page.keyboard.press("ArrowRight")
        labels = page.locator(".dit-strip input").evaluate_all(
            "inputs => inputs.map(input => input.ariaLabel)"
        )
        assert labels == [f"step {count}" for count in taken[s]]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_runs_to_the_end_and_pauses(show, motion):
    page = show(
        sampling_explorer(
            FRAMES[0, :4], X0[0, :4], np.linspace(1, 0, S + 1), {"class": list("abcd")}
        ),
        reduced_motion=motion,
    )
    step, play = (
        page.get_by_role("slider", name="step"),
        page.get_by_role("button", name="play"),
    )
    play.click()
    page.wait_for_function(
        "document.querySelector('.dit-spoken').textContent.startsWith('Step 9')"
    )
    page.get_by_role("button", name="pause").click()
    paused = step.input_value()
    page.wait_for_timeout(500)
    assert step.input_value() == paused
    if motion == "no-preference":
        page.get_by_role("button", name="play").press("Space")
        page.wait_for_function(
            f"document.querySelector('.dit-spoken').textContent.startsWith('Step {S} ')"
        )
        page.get_by_role("button", name="play").click()  # from the end it starts again
        page.wait_for_function(
            "document.querySelector('.dit-spoken').textContent.startsWith('Step 2 ')"
        )


def test_the_answer_is_not_on_the_page_before_it_is_revealed(show):
    page = show(
        predict(
            "What share?", 28.25, 0, 100, "%", explanation="Since a<sub>t</sub> falls."
        ),
        choose("Which?", ["this", "that"], 1, "A reason."),
    )
    for text in (
        page.locator("body").inner_text(),
        page.locator("body").aria_snapshot(),
        page.locator(".dit-body").first.inner_html(),
    ):
        assert "28" not in text
        assert "falls" not in text
        assert "reason" not in text
    assert all(
        button.is_disabled()
        for button in page.get_by_role("button", name="Reveal").all()
    ), "first the reader commits"


def test_predicting_by_keyboard_alone(show):
    page = show(
        predict(
            "What share?", 28.25, 0, 100, "%", explanation="Since a<sub>t</sub> falls."
        )
    )
    page.keyboard.press("Tab")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert page.get_by_role("textbox").input_value() == "45"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    result = page.locator(".dit-result")
    assert (
        result.inner_text()
        .replace("\xa0", " ")
        .startswith("You said 45 %; measured: 28.3 %. That is 16.8 points too high.")
    )
    assert result.locator("sub").inner_text() == "t"
    assert result.evaluate("node => node === document.activeElement")
    places = [
        page.locator(f".dit-dot.dit-{kind}").evaluate(
            "node => parseFloat(node.style.left)"
        )
        for kind in ("yours", "measured")
    ]
    assert places == pytest.approx([45, 28.25])


def test_predicting_on_a_logarithmic_scale_by_typing(show):
    page = show(predict("How many?", 7e8, 1e6, 1e10, "FLOPs", log=True))
    field, reveal = (
        page.get_by_role("textbox"),
        page.get_by_role("button", name="Reveal"),
    )
    for wrong in ("7e5", "many", "-3", ""):
        field.fill(wrong)
        assert reveal.is_disabled()
    field.fill("7e7")
    reveal.click()
    assert page.locator(".dit-verdict").inner_text() == (
        "You said 7 × 10⁷ FLOPs; measured: 7 × 10⁸ FLOPs. That is a factor of 10 "
        "too low."
    )
    yours, measured = (
        page.locator(f".dit-dot.dit-{kind}").evaluate(
            "node => parseFloat(node.style.left)"
        )
        for kind in ("yours", "measured")
    )
    assert measured - yours == pytest.approx(25), "a decade of four"


@pytest.mark.parametrize(
    ("pick", "verdict"), [(0, "Not this time."), (1, "You were right.")]
)
def test_choosing(show, pick, verdict):
    page = show(choose("Which?", ["<em>this</em>", "that", "none"], 1, "A reason."))
    page.get_by_role("radio").nth(0).focus()
    page.keyboard.press("Space")
    for _ in range(pick):
        page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Reveal").press("Enter")
    assert page.locator(".dit-result").inner_text().split("\n")[0] == verdict
    assert "A reason." in page.locator(".dit-result").inner_text()
    assert "✓ right" in page.locator(".dit-answer").nth(1).inner_text()
    assert page.locator(".dit-wrong").count() == 1 - pick


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_page_fits_its_width_with_large_targets_and_nothing_moves(show, width):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })"
    )
    page = show(*everything(), after=watch + "</script>", width=width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = (
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => "
        "[box.width, box.height])"
    )
    targets = page.locator(
        "button, .dit-option, .dit-answer, input[type=text]"
    ).evaluate_all(sizes)
    assert np.min(targets) >= 40
    assert all(
        height >= 40
        for _, height in page.locator("input[type=range]").evaluate_all(sizes)
    )
    page.wait_for_timeout(200)
    assert page.evaluate("shift") < 0.05
    spare = """bodies => bodies.map(body => {
        const reserved = parseFloat(getComputedStyle(body).minHeight);
        body.style.minHeight = 0;
        return reserved - body.offsetHeight;
    })"""
    rooms = page.locator(".dit-body").evaluate_all(spare)
    assert min(rooms) > -25, (
        "an explorer that starts late pushes the text below it by at most a line"
    )
    assert max(rooms) < 120, "nor is much room left empty"


@pytest.mark.parametrize(
    ("theme", "scheme", "dark"),
    [
        ("data-theme=dark", "light", True),
        ("data-theme=light", "dark", False),
        ("", "dark", True),
        ("", "light", False),
    ],
)
def test_colours_follow_the_page_and_else_the_system(show, theme, scheme, dark):
    page = show(*everything(), theme=theme, color_scheme=scheme)
    for node in page.locator(".dit-explorer, .dit-figure").all():
        ink = np.mean(
            [
                int(c)
                for c in re.findall(
                    r"\d+", node.evaluate("node => getComputedStyle(node).color")
                )[:3]
            ]
        )
        assert (ink > 128) == dark


def test_colours_follow_jupyterlab(show):
    page = show(
        *everything()[2:3],
        color_scheme="light",
        after="<script>document.body.dataset.jpThemeLight = 'false'</script>",
    )
    assert (
        page.locator(".dit-explorer").evaluate(
            "node => getComputedStyle(node).colorScheme"
        )
        == "dark"
    )


def test_explorers_leave_no_trace_in_the_page(show):
    count = (
        "<script>keys = 0; document.addEventListener('keydown', () => keys++); "
        "globals = new Set(Object.keys(window))</script>"
    )
    page = show(*everything(), *everything(), after=count)
    assert (
        page.evaluate(
            "Object.keys(window).filter(name => !globals.has(name) && name !== "
            "'globals')"
        )
        == []
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids)) == 12
    for kind in ("slider", "radio", "textbox", "button"):
        for node in page.get_by_role(kind).element_handles():
            if node.is_enabled():
                node.press("ArrowRight")
    assert page.evaluate("keys") == 0, "JupyterLab would act on keys that come through"
