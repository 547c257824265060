import base64

import numpy as np
import pytest
from fragments import asks_for_nothing, code_of, state

from dit_lite import DiT, DiTConfig
from dit_lite.model import to_browser
from dit_lite.widgets import words_explorer

pytestmark = pytest.mark.usefixtures("static")
SMALL = dict(
    image_size=8, channels=3, patch_size=4, width=8, heads=2, depth=2,
    conditioning="adaln_zero_cross", condition="caption", vocab_size=5,
    caption_length=4, words=("", "red", "blue", "circle", "above"),
)  # fmt: skip
CONFIG, WEIGHTS = to_browser(DiT(DiTConfig(**SMALL)))
BIAS = "blocks.1.cross.key_value.bias"
EXAMPLE = dict(
    caption="blue circle",
    image=np.zeros((3, 8, 8), np.uint8),
    masks=np.ones((1, 8, 8), bool),
    about=[0, 0],
)


def show(**changes):
    first = {"config": CONFIG, "weights": WEIGHTS, "caption": "red circle"}
    return words_explorer(**first | changes)


def test_the_first_state_is_a_finished_walk_and_the_last_word():
    first = state(show(steps=10))
    assert first["caption"] == [1, 3, 0, 0]
    assert [first[key] for key in ("word", "steps", "step", "layer", "head")] == [
        1, 10, 10, -1, -1,
    ]  # fmt: skip
    assert state(show(word="red", layer=1, head=0))["word"] == 0
    assert first["groups"] == {"words": ["red", "blue", "circle", "above"]}


def test_weights_and_examples_travel_as_bytes():
    sent = state(show(examples=[EXAMPLE]))
    packed = sent["weights"][BIAS]
    assert packed["shape"] == [16, 2]
    found = np.frombuffer(base64.b64decode(packed["data"]), "<f2")
    np.testing.assert_array_equal(found, WEIGHTS[BIAS])
    example = sent["examples"][0]
    assert example["caption"] == [2, 3, 0, 0]
    assert example["about"] == [0, 0, -1, -1]
    assert example["masks"]["shape"] == [1, 8, 8]
    assert set(base64.b64decode(example["masks"]["data"])) == {1}


def changed(**changes):
    return {"examples": [EXAMPLE | changes]}


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (TypeError, "config has type list; expected a dict", {"config": []}),
        (ValueError, "config has no caption_length",
            {"config": {k: v for k, v in CONFIG.items() if k != "caption_length"}}),
        (ValueError, r"config\['condition'\]='label'; .*live_dit_explorer",
            {"config": CONFIG | {"condition": "label"}}),
        (ValueError, r"config\['words'\] has 1 entries",
            {"config": CONFIG | {"words": [""]}}),
        (ValueError, r"config\['words'\]\[2\] is empty",
            {"config": CONFIG | {"words": ["", "red", "", "circle", "above"]}}),
        (ValueError, f"weights lacks '{BIAS}'",
            {"weights": {k: v for k, v in WEIGHTS.items() if k != BIAS}}),
        (ValueError, rf"weights\['{BIAS}'\] has shape \(3,\); expected \(16,\)",
            {"weights": WEIGHTS | {BIAS: np.ones(3, np.float16)}}),
        (ValueError, "unknown word 'rad'; did you mean 'red'",
            {"caption": "a rad circle".removeprefix("a ")}),
        (ValueError, "caption='red .*' has 5 words, at most 4 fit",
            {"caption": "red " * 5}),
        (ValueError, "caption is empty", {"caption": " "}),
        (TypeError, "caption has type int", {"caption": 3}),
        (ValueError, r"word='blue' is not in the caption; .*\['red', 'circle'\]",
            {"word": "blue"}),
        (ValueError, "guidance=9 is out of range", {"guidance": 9}),
        (ValueError, "steps=3 is out of range", {"steps": 3}),
        (ValueError, "seed=100 is out of range", {"seed": 100}),
        (ValueError, "layer=2 is out of range", {"layer": 2}),
        (ValueError, "head=-1 is out of range", {"head": -1}),
        (ValueError, "patch=4 is out of range", {"patch": 4}),
        (ValueError, r"groups\['shapes'\] has 'heart', which is not a word",
            {"groups": {"shapes": ["circle", "heart"]}}),
        (TypeError, r"groups=\[\]; expected a dict", {"groups": []}),
        (ValueError, "there are 13 examples; at most 12 fit",
            {"examples": [EXAMPLE] * 13}),
        (ValueError, r"examples\[0\] has no 'masks'",
            {"examples": [{k: v for k, v in EXAMPLE.items() if k != "masks"}]}),
        (ValueError, r"examples\[0\]\['caption'\]=.* unknown word 'green'",
            changed(caption="green circle")),
        (ValueError, r"examples\[0\]\['image'\] has shape \(8, 8, 3\)",
            changed(image=np.zeros((8, 8, 3), np.uint8))),
        (TypeError, r"examples\[0\]\['image'\] has dtype float64; expected uint8",
            changed(image=np.zeros((3, 8, 8)))),
        (ValueError, r"examples\[0\]\['masks'\] has shape \(1, 4, 4\)",
            changed(masks=np.ones((1, 4, 4), bool))),
        (ValueError, r"examples\[0\]\['about'\]\[1\]=1 is out of range",
            changed(about=[0, 1])),
        (ValueError, r"examples\[0\]\['about'\] has 5 entries, at most 4 fit",
            changed(about=[0] * 5)),
    ],
)  # fmt: skip
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        show(**change)


def of_recipe(**changes):
    """A model of the size that `train shapes` makes, with names for its words."""
    words = ("", *(f"word{i}" for i in range(41)))
    sizes = dict(
        image_size=32, channels=3, patch_size=4, width=128, depth=6, heads=4,
        conditioning="adaln_zero_cross", condition="caption", vocab_size=42,
        caption_length=16, words=words,
    )  # fmt: skip
    return to_browser(DiT(DiTConfig(**sizes | changes)))


def test_the_fragment_of_a_model_of_captions_fits_a_page_and_asks_for_nothing():
    fragment = words_explorer(*of_recipe(), caption="word1 word2")
    code = code_of(fragment)
    assert asks_for_nothing(code)
    assert len(code) < 75_000
    assert (
        len(fragment.data) < 6_300_000
    )  # of which a server sends three quarters, by gzip


def test_a_model_beyond_what_a_page_holds_is_refused():
    with pytest.raises(ValueError, match=r"weights hold 6.0 MB; at most 4.7 MB fit"):
        words_explorer(*of_recipe(depth=8), caption="word1")


def test_with_a_kernel_it_is_a_widget(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    widget = show(examples=[EXAMPLE])
    assert isinstance(widget, anywidget.AnyWidget)
    assert "function dit(" in widget._esm
    assert ".dit-words" in widget._css
    assert widget.get_state(["caption"])["caption"] == [1, 3, 0, 0]
    assert len(widget.get_state(["weights"])["weights"][BIAS]["data"]) == 32
