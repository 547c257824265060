import base64

import numpy as np
import pytest
import torch
from fragments import asks_for_nothing, code_of, state

from dit_lite.analysis import entropy, mean_distance
from dit_lite.widgets import attention_explorer, pack_attention

T, L, h, N, M = 2, 3, 2, 16, 3


pytestmark = pytest.mark.usefixtures("static")


def softmax(*shape: int, seed: int = 0) -> torch.Tensor:
    return (
        3
        * torch.randn(
            shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
    ).softmax(-1)


SELF, CROSS = softmax(T, L, h, N, N), softmax(T, L, h, N, M, seed=1)
GOOD = {"images": np.zeros((T, 8, 8), np.uint8), "attention": SELF, "times": [0.9, 0.1]}
WORDS = {"cross": CROSS, "words": ["red", "blue", "of"]}


def changed(array: torch.Tensor, value: float) -> torch.Tensor:
    array = array.clone()
    array[0, 0, 0, 0, 0] = value
    return array


def test_numbers_are_those_of_the_analysis_for_each_head_and_their_mean():
    packed = pack_attention(**GOOD, **WORDS)
    for weights, small in ((SELF, packed), (CROSS, packed["cross"])):
        both = torch.cat([weights, weights.mean(2, keepdim=True)], 2)
        np.testing.assert_allclose(
            small["entropy"], entropy(both) / np.log(2), rtol=1e-6, atol=1e-6
        )
        np.testing.assert_allclose(
            2 ** small["entropy"], entropy(both).exp(), rtol=1e-6, atol=1e-6
        )
    both = torch.cat([SELF, SELF.mean(2, keepdim=True)], 2)
    np.testing.assert_allclose(
        packed["distance"], mean_distance(both), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(packed["received"], both.sum(-2), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        packed["cross"]["received"][:, :, :h], CROSS.mean(-2), rtol=1e-6, atol=1e-6
    )


def test_a_weight_is_off_by_at_most_a_510th_of_the_largest_in_its_row():
    packed = pack_attention(**GOOD)
    back = packed["weights"] / 255 * packed["peaks"][..., None].astype(float)
    worst = np.abs(back - SELF.numpy()) / SELF.amax(-1, keepdim=True).numpy()
    assert 1e-3 < worst.max() <= 1 / 510 + 1e-6
    assert (packed["weights"].max(-1) == 255).all()


def test_even_attention_and_attention_to_one_patch_are_the_ends_of_the_scale():
    one, even = torch.eye(N).expand(T, L, h, N, N), torch.full((T, L, h, N, N), 1 / N)
    for weights, bits, received in ((one, 0, 1), (even, 4, 1)):
        packed = pack_attention(**GOOD | {"attention": weights})
        assert packed["entropy"] == pytest.approx(bits)
        assert packed["received"] == pytest.approx(received)
        assert np.isfinite(packed["distance"]).all()
    assert pack_attention(**GOOD | {"attention": one})["distance"].max() == 0


def test_the_first_state_is_in_the_middle_or_as_asked():
    first = state(attention_explorer(**GOOD))
    assert (
        first["t"],
        first["layer"],
        first["head"],
        first["patch"],
        first["view"],
    ) == (0.1, 0, h, 9, "from")
    asked = state(
        attention_explorer(**GOOD, **WORDS, time=0, layer=2, head=1, patch=np.int64(15))
    )
    assert (asked["t"], asked["layer"], asked["head"], asked["patch"]) == (
        0.9,
        2,
        1,
        15,
    )
    assert asked["shown"]["words"] == WORDS["words"]
    of_word = state(attention_explorer(**GOOD, **WORDS, word=2))
    assert (of_word["view"], of_word["word"]) == ("word", 2)


def test_tensors_lists_colours_and_grids_that_are_not_square_are_taken():
    attention_explorer(
        np.zeros((T, 8, 8, 1), np.uint8), SELF.tolist(), torch.tensor([1.0, 0.5])
    )
    attention_explorer(
        torch.zeros(T, 8, 8, 3, dtype=torch.uint8),
        SELF.float().requires_grad_(),
        [1, 0],
    )
    wide = pack_attention(np.zeros((T, 4, 8), np.uint8), softmax(T, L, h, 8, 8), [1, 0])
    assert wide["columns"] == 4
    distance = state(
        attention_explorer(
            np.zeros((T, 4, 8), np.uint8), softmax(T, L, h, 8, 8), [1, 0]
        )
    )["shown"]["distance"]
    assert np.frombuffer(
        base64.b64decode(distance["data"]), np.float32
    ).max() < np.hypot(1, 3)


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (TypeError, "images has dtype float64; expected uint8 pixels: to_pixels",
        {"images": np.zeros((T, 8, 8))}),
        (ValueError, r"images has shape \(8, 8\); expected \(T, H, W\)",
        {"images": np.zeros((8, 8), np.uint8)}),
        (ValueError, r"images has shape \(2, 8, 8, 2\)", {"images": np.zeros((T, 8, 8,
        2), np.uint8)}),
        (ValueError, r"times has shape \(3,\) .* expected 2 finite numbers",
        {"times": [1, 0.5, 0]}),
        (ValueError, "times .* all different", {"times": [1, 1]}),
        (ValueError, "times .* finite", {"times": [1, np.nan]}),
        (TypeError, "attention has dtype int64; expected floating-point",
        {"attention": np.ones((T, L, h, N, N), int)}),
        (ValueError,
        r"attention has shape \(3, 2, 16, 16\); expected \(T, L, h, N, N\) with T = 2",
        {"attention": SELF[0]}),
        (ValueError, r"attention has shape \(1, 3, 2, 16, 16\); .* with T = 2",
        {"attention": SELF[:1]}),
        (ValueError, r"attention has shape \(2, 3, 2, 16, 3\)", {"attention": CROSS}),
        (ValueError, "attention has N = 15; an image of 8 x 8 cannot be cut into 15 "
            "square patches: drop tokens", {"attention": softmax(T, L, h, 15, 15)}),
        (ValueError, "attention has N = 9; an image of 8 x 8", {"attention": softmax(T,
        L, h, 9, 9)}),
        (ValueError, "attention has N = 1024; an image of 8 x 8",
        {"attention": softmax(T, 1, 1, 1024, 1024)}),
        (ValueError, "attention has values that are not finite",
        {"attention": changed(SELF, np.nan)}),
        (ValueError,
        r"attention has weights .* rows that sum to 1 to 1\.\d+; expected .* sum to 1 \(see record_attention\)", {"attention": changed(SELF, 0.9)}),
        (ValueError, "attention has weights from -0.1", {"attention": changed(SELF,
        -0.1)}),
        (ValueError, "attention has shape .* there are no rows",
        {"attention": np.zeros((T, L, h, 0, 0))}),
        (ValueError, "cross and words belong together", {"cross": CROSS}),
        (ValueError, "cross and words belong together", {"words": ["red"]}),
        (ValueError,
        r"cross has shape \(2, 3, 2, 16, 3\); expected \(2, 3, 2, 16, 2\)",
        WORDS | {"words": ["red", "blue"]}),
        (ValueError, "cross has weights", WORDS | {"cross": 2 * CROSS}),
        (ValueError, "cross has values that are not finite",
        WORDS | {"cross": changed(CROSS, np.inf)}),
        (ValueError, "words='red'; expected a list", WORDS | {"words": "red"}),
        (TypeError, r"words\[1\] has type int", WORDS | {"words": ["red", 1, "of"]}),
        (ValueError, "patch=16 is out of range; expected a whole number from 0 to 15",
        {"patch": 16}),
        (ValueError, "time=-1 is out of range", {"time": -1}),
        (ValueError, "layer=3 is out of range; expected a whole number from 0 to 2",
        {"layer": 3}),
        (ValueError, "head=True is out of range", {"head": True}),
        (ValueError, "word=0 needs `cross` and `words`", {"word": 0}),
        (ValueError, "word=3 is out of range", WORDS | {"word": 3}),
        (ValueError, r"inputs needs on=\{\"input\": function\}",
        {"inputs": {"class": range(10)}}),
        (ValueError, "inputs=.* expected one choice", {"inputs": {},
        "on": {"input": print}}),
        (ValueError, r"inputs\['class'\] .* no value twice", {"inputs": {"class": [1,
        1]}, "on": {"input": print}}),
        (ValueError, "start=2 is out of range", {"inputs": {"class": [1, 2]},
        "on": {"input": print}, "start": 2}),
        (ValueError, "watches a value that is not in the state",
        {"on": {"class": print}}),
    ],
)  # fmt: skip
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        attention_explorer(**GOOD | change)


def test_the_fragment_asks_for_nothing_and_is_light():
    fragment = attention_explorer(**GOOD, **WORDS)
    code = code_of(fragment)
    assert asks_for_nothing(code)
    assert len(fragment.data) < 80_000


def test_with_a_kernel_another_input_is_recomputed(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    pytest.importorskip("anywidget")
    asked = []

    def look(widget):
        asked.append((widget.input, widget.t))
        widget.shown = pack_attention(
            np.full((1, 8, 8), widget.input, np.uint8),
            softmax(1, L, h, N, N, seed=widget.input),
            [widget.t],
        )

    widget = attention_explorer(
        **GOOD, inputs={"class": range(10)}, start=3, on={"input": look, "t": look}
    )
    assert (widget.input, widget.inputs["values"][3], widget.recomputed) == (
        3,
        "3",
        ["input", "t"],
    )
    widget.input = 7
    widget.t = 0.25
    assert asked == [(7, 0.1), (7, 0.25)]
    assert widget.shown["times"] == [0.25]
    assert widget.shown["images"].max() == 7
    assert widget.status == ""


def test_an_error_of_the_kernel_is_shown(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    pytest.importorskip("anywidget")

    def look(widget):
        widget.shown = pack_attention(np.zeros((1, 8, 8), np.uint8), SELF, [widget.t])

    widget = attention_explorer(**GOOD, on={"t": look})
    with pytest.raises(ValueError, match="attention has shape"):
        widget.t = 0.3
    assert widget.status.startswith("ValueError: attention has shape")
