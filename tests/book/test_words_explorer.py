"""The words explorer: what it shows after every choice is what PyTorch computes with
the same weights, by mouse and by keyboard.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from accessibility import faults_of_colour, faults_of_structure
from browser import serve, visit
from jupyterlab_server import notebook_of

from dit_lite import DiT, DiTConfig
from dit_lite.analysis import change_words
from dit_lite.diffusion import PATHS, Denoiser, time_grid
from dit_lite.diffusion.samplers import euler
from dit_lite.model import to_browser
from dit_lite.widgets import words_explorer

pytestmark = pytest.mark.browser
STILL = {"reduced_motion": "reduce"}
WORDS = ("", "a", "red", "blue", "circle", "square", "above")
FOUND = {"shapes": ["circle", "square"], "colours": ["red", "blue"],
         "small words": ["a", "above"]}  # fmt: skip
CAPTION = [1, 2, 4, 6, 1, 3, 5, 0]  # a red circle above a blue square
NULL = [0] * 8


def drawn(**sizes) -> DiT:
    """A model whose weights are drawn at random and rounded as the page's."""
    config = DiTConfig(
        conditioning="adaln_zero_cross", condition="caption", channels=3,
        vocab_size=len(WORDS), words=WORDS, data_std=0.5, **sizes,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DiT(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=1.1 / config.width**0.5)
    rounded = {k: torch.from_numpy(v).float() for k, v in to_browser(model)[1].items()}
    model.load_state_dict(rounded)
    return model.eval()


MODEL = drawn(image_size=16, patch_size=4, width=16, depth=2, heads=2, caption_length=8)
EXAMPLE = dict(
    caption="a blue circle",
    image=np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8),
    masks=np.pad(np.ones((1, 6, 6), bool), ((0, 0), (2, 8), (4, 6))),
    about=[0, 0, 0],
)


def explorer(model: DiT = MODEL, **first):
    first = {"caption": "a red circle above a blue square", "guidance": 2.0} | first
    return words_explorer(
        *to_browser(model), **{"steps": 8, "groups": FOUND, "seed": 3} | first
    )


def at_rest(page) -> None:
    page.wait_for_selector('.dit-explorer[data-busy="false"]')


def numbers(locator, name: str) -> torch.Tensor:
    return torch.tensor([float(v) for v in locator.get_attribute(name).split()])


def state(page, name: str = "state x_t") -> torch.Tensor:
    """What a picture shows, in the model's units."""
    at_rest(page)
    picture = page.get_by_role("img", name=name)
    return numbers(picture, "data-values").reshape(1, 3, 16, 16)


def shown_map(page) -> torch.Tensor:
    """The weights of the chosen word, (N,)."""
    at_rest(page)
    return numbers(page.get_by_role("slider", name="patch"), "data-weights")


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def word(page, name: str) -> None:
    page.get_by_role("radiogroup", name="word").get_by_role("radio", name=name).check()


def slide(page, name: str, value) -> None:
    page.get_by_role("slider", name=name, exact=True).fill(str(value))


def go(page, step: int) -> None:
    slide(page, "step", step)
    page.wait_for_selector(f'.dit-explorer[data-step="{step}"][data-busy="false"]')


def story(page) -> str:
    at_rest(page)
    return page.locator(".dit-words-run .dit-story").inner_text()


@torch.no_grad()
def walk(x, words: list[int], times, guidance=2.0, **changes) -> torch.Tensor:
    denoise = Denoiser(MODEL, torch.tensor([words]), guidance)
    with change_words(MODEL, **changes):
        for _, state, _ in euler(denoise, PATHS["linear"], x, times, lambda: None):
            x = state
    return x


@torch.no_grad()
def maps_at(x, t: float, words: list[int], **changes) -> list[torch.Tensor]:
    """(h, N, M) for each layer."""
    with change_words(MODEL, **changes) as maps:
        MODEL(x, torch.tensor([t]), torch.tensor([words]))
    return [layer[0] for layer in maps]


def close(one, other) -> None:
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


TIMES = time_grid(1, 0, 8)


def test_a_guided_walk_is_that_of_the_euler_sampler(show):
    page = show(explorer(), **STILL)
    final = state(page)
    assert story(page).startswith("Finished: “a red circle above a blue square”. 8 st")
    go(page, 0)
    noise = state(page)
    close(final, walk(noise, CAPTION, TIMES))
    go(page, 5)
    close(state(page), walk(noise, CAPTION, TIMES[:6]))


def test_maps_are_those_of_the_word_the_layer_the_head_and_the_step(show):
    page = show(explorer(word="red", layer=1, head=0), **STILL)
    go(page, 3)
    maps = maps_at(state(page), 5 / 8, CAPTION)
    close(shown_map(page), maps[1][0, :, 1])
    word(page, "6: blue")
    close(shown_map(page), maps[1][0, :, 5])
    page.get_by_role("radio", name="mean over heads").check()
    close(shown_map(page), maps[1][:, :, 5].mean(0))
    page.get_by_role("radio", name="mean over layers").check()
    close(shown_map(page), torch.stack(maps)[:, :, :, 5].mean((0, 1)))
    means = torch.stack(maps).mean((0, 1, 2))
    masses = page.locator(".dit-words-mass > .dit-words-mass").all_inner_texts()
    assert masses == [f"{100 * share:.0f}\u00a0%" for share in means[:7]]
    low, high = (f"{v:.3g}" for v in (shown_map(page).min(), shown_map(page).max()))
    fine = page.locator(".dit-caption", has_text="min–max").inner_text()
    assert "stretched to 0 to 1" in fine
    ends = [
        float(v) for v in fine.split("drawn: ")[1].split(" stretched")[0].split(" to ")
    ]
    assert float(low) <= ends[0] + 1e-3
    assert ends[1] - 1e-3 <= float(high)


def test_a_word_taken_away_midway_is_masked_from_there_on(show):
    page = show(explorer(word="red"), **STILL)
    go(page, 3)
    x = state(page)
    press(page, "remove")
    assert torch.equal(state(page), x), "the state stays"
    assert not shown_map(page).any()
    go(page, 8)
    seen = torch.arange(8) != 1
    close(state(page), walk(x, CAPTION, TIMES[3:], seen=seen))
    assert "until step 3; then" in story(page)
    assert "without “red”" in story(page)
    go(page, 5)
    x = state(page)
    press(page, "restore")
    go(page, 8)
    close(state(page), walk(x, CAPTION, TIMES[5:]))


def test_a_louder_word_has_more_weight_and_rows_no_longer_sum_to_one(show):
    page = show(explorer(word="blue"), **STILL)
    area = page.get_by_role("slider", name="patch")
    close(numbers(area, "data-sums"), torch.ones(16))
    assert "sums to 1.00" in page.locator(".dit-words-look").inner_text()
    press(page, "stronger")
    at_rest(page)
    press(page, "stronger")
    final, factors = state(page), torch.ones(8).index_fill(0, torch.tensor(5), 4.0)
    sums = numbers(area, "data-sums")
    close(sums, 1 + 0.75 * shown_map(page))
    assert "after the softmax" in page.locator(".dit-words-look").inner_text()
    go(page, 0)
    close(final, walk(state(page), CAPTION, TIMES, factors=factors))
    press(page, "weaker")
    assert "×2" in page.locator(".dit-words-strip").inner_text()


@torch.no_grad()
def held_walk(x, old: list[int], new: list[int], steps: int) -> torch.Tensor:
    """The walk of `new`, with the maps of the walk of `old` for so many steps."""
    source = x
    for k in range(8):
        changes = {}
        if k < steps:
            changes = {"maps": maps_at(source, TIMES[k].item(), old)}
            source = walk(source, old, TIMES[k : k + 2])
        x = walk(x, new, TIMES[k : k + 2], **changes)
    return x


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_swap_can_keep_the_maps_of_the_caption_before(show, share):
    page = show(explorer(word="red"), **STILL)
    slide(page, "old maps after a swap", share)
    at_rest(page)
    page.get_by_role("combobox", name="another word").select_option("blue")
    press(page, "swap for")
    final, new = state(page), [1, 3, *CAPTION[2:]]
    assert (
        page.get_by_role("textbox", name="caption")
        .input_value()
        .startswith("a blue circle")
    )
    go(page, 0)
    close(final, held_walk(state(page), CAPTION, new, round(8 * share)))
    slide(page, "seed", 4)  # both walks begin again
    go(page, 0)
    noise = state(page)
    go(page, 8)
    close(state(page), held_walk(noise, CAPTION, new, round(8 * share)))


def test_a_caption_is_changed_midway_by_typing(show):
    page = show(explorer(), **STILL)
    go(page, 4)
    x = state(page)
    field = page.get_by_role("textbox", name="caption")
    field.fill("Red square, blue circle!")
    field.press("Enter")
    assert page.locator(".dit-words-strip .dit-option").count() == 4
    go(page, 8)
    close(state(page), walk(x, [2, 5, 3, 4, 0, 0, 0, 0], TIMES[4:]))


def test_unknown_words_are_named_with_the_nearest(show):
    page = show(explorer(), **STILL)
    field, final = page.get_by_role("textbox", name="caption"), state(page)
    field.fill("a rad circel")
    field.press("Enter")
    status = page.locator(".dit-words-message")
    assert "does not know “rad”" in status.inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert torch.equal(state(page), final), "nothing else happens"
    press(page, "use “red”")
    assert "“circel”" in status.inner_text()
    press(page, "use “circle”")
    assert field.input_value() == "a red circle"
    assert field.get_attribute("aria-invalid") is None
    assert story(page).startswith("Finished: “a red circle”")
    field.fill("a " * 9)
    field.press("Enter")
    assert "9 words; at most 8 fit" in status.inner_text()


def test_a_word_is_mended_as_a_whole(show):
    page = show(explorer(), **STILL)
    field = page.get_by_role("textbox", name="caption")
    field.fill("a square ar red")  # "ar" also stands inside "square"
    field.press("Enter")
    press(page, "use “a”")
    assert field.input_value() == "a square a red"


def test_words_that_stand_twice_are_told_apart_by_their_place(show):
    page = show(explorer(), **STILL)
    area, said = page.get_by_role("slider", name="patch"), set()
    at_rest(page)
    area.focus()
    for key in 2 * ["ArrowUp"] + 2 * ["ArrowLeft"] + 3 * ["ArrowDown", "ArrowRight"]:
        page.keyboard.press(key)
        text = page.locator(".dit-words-look").inner_text().split(" attends to ")[1]
        said |= set(re.findall(r"(\w+(?: \(word \d\))?) \d+\u00a0%", text))
    assert said & {"a (word 1)", "a (word 5)"}
    assert said <= {"a (word 1)", "a (word 5)", *WORDS[2:]}


def test_no_caption_is_the_null_of_guidance(show):
    page = show(explorer(), **STILL)
    page.locator("summary").click()
    press(page, "clear")
    final = state(page)
    assert "No caption" in page.locator(".dit-words-message").inner_text()
    assert "8 steps, 8 calls" in story(page)
    assert page.get_by_role("button", name="stronger").is_disabled()
    go(page, 0)
    close(final, walk(state(page), NULL, TIMES, guidance=1))
    go(page, 8)
    press(page, "blue")
    at_rest(page)
    assert page.get_by_role("textbox", name="caption").input_value() == "blue"
    press(page, "remove")  # the last one
    close(state(page), final)
    assert not shown_map(page).any()


def test_the_picture_of_the_data_shows_its_true_mask(show):
    page = show(explorer(examples=[EXAMPLE]), **STILL)
    mask = page.get_by_role("img", name="true mask")
    assert not mask.is_visible()
    page.get_by_role("combobox", name="captions from").select_option("a blue circle")
    at_rest(page)
    assert mask.is_visible()
    assert "select that picture" in page.locator(".dit-words-proof").inner_text()
    page.get_by_role("radio", name="the picture from the data").check()
    go(page, 0)
    noise = state(page)
    go(page, 6)
    image = torch.from_numpy(EXAMPLE["image"]) / 127.5 - 1
    x = 0.75 * image[None] / 0.5 + 0.25 * noise
    close(state(page), x)
    maps = maps_at(x, 0.25, [1, 3, 4, 0, 0, 0, 0, 0])
    own = torch.stack(maps)[..., 2].mean((0, 1))
    close(shown_map(page), own)
    inside = torch.from_numpy(EXAMPLE["masks"][0]).float()
    patches = inside.unflatten(0, (4, 4)).unflatten(-1, (4, 4)).mean((1, 3)).flatten()
    share = (own * patches).sum() / own.sum()
    assert page.locator(".dit-words-proof").inner_text() == (
        f"true mask of “circle”: 14\u00a0% of the picture, {100 * share:.0f}\u00a0% of "
        "the word's weight"
    )


def test_the_patch_follows_pointer_and_keys(show):
    page = show(explorer(word="red"), **STILL)
    area = page.get_by_role("slider", name="patch")
    assert area.get_attribute("aria-valuenow") == "11"
    area.focus()
    page.keyboard.press("ArrowUp")
    assert area.get_attribute("aria-valuetext").startswith(
        "row 2, column 3: The framed"
    )
    box = area.bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    assert area.get_attribute("aria-valuenow") == "4"


def test_words_are_chosen_by_the_keyboard(show):
    page = show(explorer(word="red"), **STILL)
    page.get_by_role("radio", name="2: red").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="3: circle").is_checked()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="4: above").is_checked()
    assert "“above”" in page.locator(".dit-words-tools").inner_text()


def test_it_plays_once_when_seen_and_is_swapped_on_the_way(show):
    page = show(explorer(steps=50, word="red"))
    step = "Number(document.querySelector('.dit-explorer').dataset.step)"
    page.wait_for_function(f"0 < {step} && {step} < 40")
    press(page, "❚❚ pause")
    paused = page.evaluate(step)
    page.wait_for_timeout(400)
    assert page.evaluate(step) == paused < 50
    press(page, "swap for")
    press(page, "▶︎ play")
    page.wait_for_function(f"{step} === 50", timeout=30_000)
    assert f"until step {paused}; then “a " in story(page)


def test_twenty_five_guided_steps_take_less_than_two_seconds(show):
    """At the size of the recipe: six blocks of width 128 on 64 patches."""
    model = drawn(
        image_size=32, patch_size=4, width=128, depth=6, heads=4, caption_length=16
    )
    page, runs = show(explorer(model, steps=25), **STILL), []
    seconds, most = math.inf, 15  # walks, on a machine that is busy
    while seconds >= 2 and len(runs) < most:
        slide(page, "seed", 20 + len(runs))
        at_rest(page)
        runs.append(numbers(page.locator(".dit-explorer"), "data-ms").tolist())
        # each step at its quickest: other work on the machine is not counted
        seconds = np.min(runs, axis=0).sum() / 1000
    print(f"25 guided steps: {seconds:.2f} s, the quickest of {len(runs)} each")
    assert np.shape(runs)[1] == 25
    assert seconds < 2


def test_a_server_serves_it_as_well(show, tmp_path, browser):
    show(explorer(), **STILL)
    with serve(tmp_path) as address:
        seen = visit(browser, f"{address}/page.html", **STILL)
        at_rest(seen.page)
        assert story(seen.page).startswith("Finished")
        seen.check()
        seen.page.context.close()


KERNEL = """from dit_lite import DiT, DiTConfig
from dit_lite.model import to_browser
from dit_lite.widgets import words_explorer

config = DiTConfig(
    image_size=32, channels=3, patch_size=4, width=128, depth=6, heads=4,
    conditioning="adaln_zero_cross", condition="caption", vocab_size=4,
    caption_length=16, words=("", "red", "blue", "circle"),
)
page = words_explorer(*to_browser(DiT(config)), caption="red circle", steps=4)
page"""


def test_in_jupyterlab_the_kernel_knows_what_the_reader_chose(lab, browser):
    """With weights of the size that travels, 4.5 MB."""
    told = "print(page.caption[:2], page.away[:2])"
    page = lab.open(browser, "words", notebook_of(KERNEL, told)).page
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".dit-explorer[data-step]")
    press(page, "remove")
    page.get_by_role("combobox", name="another word").select_option("red")
    word(page, "1: red")
    page.get_by_role("combobox", name="another word").select_option("blue")
    press(page, "swap for")
    page.wait_for_selector('.dit-explorer[data-step="4"]')
    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Control+Enter")
    page.get_by_text("[2, 3] [False, False]").wait_for()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_other_senses(show, scheme):
    page = show(explorer(examples=[EXAMPLE]), color_scheme=scheme, **STILL)
    at_rest(page)
    page.locator("summary").click()
    press(page, "remove")
    at_rest(page)
    assert not [f for f in faults_of_structure(page) if "page-has-heading" not in f]
    assert not faults_of_colour(page)


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_it_fits_its_width_with_large_targets_and_nothing_moves(show, width):
    watch = (
        "<script>shift = 0; new PerformanceObserver(list => "
        "list.getEntries().forEach(e => (shift += e.value))).observe({ type: "
        "'layout-shift', buffered: true })"
    )
    page = show(
        explorer(examples=[EXAMPLE]), after=watch + "</script>", width=width, **STILL
    )
    go(page, 5)
    assert page.evaluate("shift") < 0.02
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = (
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => "
        "[box.width, box.height])"
    )
    targets = page.locator(
        ":is(button, .dit-option, select, summary, input[type=text]):visible"
    )
    assert np.min(targets.evaluate_all(sizes)) >= 40
    page.locator("summary").click()
    rooms = page.locator(".dit-body").evaluate("""body => {
        const reserved = parseFloat(getComputedStyle(body).minHeight);
        body.style.minHeight = 0;
        return reserved - body.offsetHeight;
    }""")
    assert -40 < rooms < 130
