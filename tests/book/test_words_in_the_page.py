"""The caption model as the page computes it: passes, maps, word changes and guided
walks match PyTorch with the same weights.
"""

from __future__ import annotations

import base64

import pytest
import torch

from dit_lite import DiT, DiTConfig, record_attention
from dit_lite.analysis import change_words
from dit_lite.diffusion import PATHS, Denoiser, time_grid
from dit_lite.diffusion.samplers import euler
from dit_lite.model import to_browser
from dit_lite.widgets.explorer import text

pytestmark = pytest.mark.browser
LOAD = (
    "({ config, weights }) => {"
    + text("matmul.mjs")
    + text("dit.mjs")
    + """
    const bytes = packed => Uint8Array.from(atob(packed), c => c.charCodeAt(0));
    window.model = dit(config, Object.fromEntries(Object.entries(weights).map(
      ([name, packed]) => [name, new Float32Array(bytes(packed).buffer)])));
}"""
)
FORWARD = """({ x, t, asked }) => {
    const { output, attention, cross } = model(Float32Array.from(x), t, asked);
    const lists = all => all.map(layer => layer.map(image => image.map(m => [...m])));
    return { output: output.map(image => [...image]), attention: lists(attention),
             cross: lists(cross) };
}"""
WALK = """({ x, asked, none, guidance, times }) => {
    let state = Float32Array.from(x);
    for (let k = 0; k + 1 < times.length; k++) {
        const { output: [a, b] } = model(state, times[k], [asked[k], none]);
        state = state.map((value, i) =>
          value + (times[k + 1] - times[k]) * (b[i] + guidance * (a[i] - b[i])));
    }
    return [...state];
}"""


def drawn() -> DiT:
    """Three channels, six words, weights drawn at random and rounded as the page's."""
    config = DiTConfig(
        image_size=12, channels=3, patch_size=3, width=24, depth=3, heads=2,
        mlp_ratio=2, conditioning="adaln_zero_cross", condition="caption",
        vocab_size=7, caption_length=5, words=("", *"abcdef"), data_std=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DiT(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    rounded = {k: torch.from_numpy(v).float() for k, v in to_browser(model)[1].items()}
    model.load_state_dict(rounded)
    return model.eval()


MODEL = drawn()
CAPTION, OTHER, NULL = [3, 1, 5, 6, 0], [3, 2, 5, 6, 0], [0] * 5
X = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(2))


def close(one, other) -> None:
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


@pytest.fixture(params=[True, False], ids=["simd", "plain"])
def page(request, show):
    page = show()
    if not request.param:  # as in a browser without it
        page.evaluate("WebAssembly.Module = undefined")
    weights = {
        name: base64.b64encode(value.numpy().tobytes()).decode()
        for name, value in MODEL.state_dict().items()
    }
    page.evaluate(LOAD, {"config": to_browser(MODEL)[0], "weights": weights})
    return page


def ask(page, t: float, asked: list) -> dict[str, torch.Tensor]:
    found = page.evaluate(FORWARD, {"x": X.flatten().tolist(), "t": t, "asked": asked})
    return {
        name: torch.tensor(value, dtype=torch.float32) for name, value in found.items()
    }


@torch.no_grad()
def passed(t: float, rows: list[list[int]]) -> tuple[torch.Tensor, ...]:
    """Output (B, C·H·W), self and cross maps (L, B, h, ...) of PyTorch."""
    B = len(rows)
    with record_attention(MODEL) as maps, record_attention(MODEL, "cross") as cross:
        output = MODEL(X.expand(B, -1, -1, -1), torch.full((B,), t), torch.tensor(rows))
    return (
        output.flatten(1),
        torch.stack(maps).flatten(-2),
        torch.stack(cross).flatten(-2),
    )


def test_passes_and_both_kinds_of_maps_are_those_of_pytorch(page):
    for t, rows in [
        (1.0, [CAPTION, NULL]),
        (0.96, [[1, 0, 0, 0, 0], [2, 3, 4, 5, 6]]),
        (0.5, [NULL]),
        (0.137, [OTHER, CAPTION, NULL]),
        (0.001, [CAPTION]),
        (0.0, [[6, 5, 4, 0, 0], NULL]),
    ]:
        found, (output, maps, cross) = ask(page, t, rows), passed(t, rows)
        close(found["output"], output)
        close(found["attention"], maps)
        close(found["cross"], cross)


CHANGES = [
    dict(seen=[True, False, True, True, True]),
    dict(factors=[1.0, 3.0, 0.25, 1.0, 1.0]),
    dict(seen=[False, True, True, True, True], factors=[1.0, 2.0, 1.0, 0.0, 1.0]),
]


def in_page(words: list[int], seen=None, factors=None, maps=None) -> dict:
    """A condition of the page's forward pass."""
    asked = dict(words=words, seen=seen, factor=factors)
    if maps is not None:
        asked["maps"] = torch.stack(maps)[:, 0].flatten(-2).tolist()
    return {name: value for name, value in asked.items() if value is not None}


# arrays of the page are typed
TYPED = """asked => asked.map(c => c.maps
    ? { ...c, maps: c.maps.map(l => l.map(m => Float32Array.from(m))) } : c)"""


@torch.no_grad()
def changed(t: float, words: list[int], **changes) -> tuple[torch.Tensor, list]:
    with change_words(MODEL, **changes) as maps:
        return MODEL(X, torch.tensor([t]), torch.tensor([words])).flatten(1), list(maps)


@pytest.mark.parametrize("changes", CHANGES, ids=["away", "louder", "both"])
@pytest.mark.parametrize("held", [False, True], ids=["own maps", "maps held"])
def test_what_is_done_to_words_is_what_is_done_in_pytorch(page, changes, held):
    if held:
        with record_attention(MODEL, "cross") as maps, torch.no_grad():
            MODEL(X, torch.tensor([0.7]), torch.tensor([CAPTION]))
        changes = changes | {"maps": maps}
    page.evaluate(f"window.typed = {TYPED}; null")
    source = FORWARD.replace("t, asked)", "t, typed(asked))")
    asked = [in_page(OTHER, **changes), NULL]
    found = page.evaluate(source, {"x": X.flatten().tolist(), "t": 0.7, "asked": asked})
    output, maps = changed(0.7, OTHER, **changes)
    close(torch.tensor(found["output"])[:1], output)
    close(torch.tensor(found["cross"])[:, :1], torch.stack(maps).flatten(-2))
    plain, _, _ = passed(0.7, [NULL])
    close(torch.tensor(found["output"])[1:], plain)


@torch.no_grad()
def walk(x, words: list[int], times, guidance=2.5, **changes) -> torch.Tensor:
    denoise = Denoiser(MODEL, torch.tensor([words]), guidance)
    with change_words(MODEL, **changes):
        for _, state, _ in euler(denoise, PATHS["linear"], x, times, lambda: None):
            x = state
    return x


def test_a_guided_walk_whose_words_change_midway_is_that_of_euler(page):
    times, seen = time_grid(1, 0, 10), [True, True, False, True, True]
    asked = [CAPTION] * 4 + [OTHER] * 3 + [in_page(OTHER, seen=seen)] * 3
    found = page.evaluate(
        WALK,
        {
            "x": X.flatten().tolist(),
            "asked": asked,
            "none": NULL,
            "guidance": 2.5,
            "times": times.tolist(),
        },
    )
    x = walk(X, CAPTION, times[:5])
    x = walk(x, OTHER, times[4:8])
    x = walk(x, OTHER, times[7:], seen=seen)
    close(torch.tensor(found), x.flatten())


def test_keys_and_values_of_a_caption_are_computed_once(page):
    size, same = "model.kept.size", "model.kept.get(asked.join(' '))"
    ask(page, 1.0, [CAPTION, NULL])
    assert page.evaluate(size) == 2
    page.evaluate(f"asked = {CAPTION}; first = {same}")
    ask(page, 0.5, [CAPTION, NULL])
    ask(page, 0.2, [in_page(CAPTION, seen=[True, False, True, True, True]), OTHER])
    assert page.evaluate(f"{same} === first")
    assert page.evaluate(size) == 3
    for word in range(1, 7):
        for other in range(1, 7):
            ask(page, 0.2, [[word, other, 0, 0, 0]])
    assert page.evaluate(size) == 32, "the oldest make room"


def test_a_caption_of_which_nothing_is_left_is_refused(page):
    with pytest.raises(Exception, match="every word is removed"):
        ask(page, 0.5, [in_page(CAPTION, seen=[False] * 5)])
