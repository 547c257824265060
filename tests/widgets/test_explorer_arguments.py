import numpy as np
import pytest
import torch

from dit_lite.widgets import (
    choose,
    noise_explorer,
    predict,
    sampling_explorer,
    to_pixels,
)

pytestmark = pytest.mark.usefixtures("static")
IMAGES = np.zeros((2, 4, 4), np.float32)
FRAMES = np.zeros((2, 3, 4, 4), np.uint8)
WALK = {
    "frames": FRAMES,
    "x0": FRAMES,
    "times": [1.0, 0.5, 0.0],
    "axes": {"class": [3, 8]},
}
ASK = {"question": "How many?", "answer": 3, "low": 1, "high": 5}
PICK = {"question": "Which?", "options": ["this", "that"], "answer": 0}


def test_tensors_lists_and_single_channels_are_taken():
    noise_explorer(torch.zeros(2, 4, 4, 1, requires_grad=True), torch.zeros(2, 4, 4))
    noise_explorer(np.zeros((1, 4, 4, 3)), seed=np.int64(3), index=np.int64(0))
    sampling_explorer(
        **WALK
        | {
            "frames": FRAMES[..., None],
            "scores": {"sees": [["a"] * 3] * 2},
            "start": {"class": 8},
            "step": 0,
        }
    )
    sampling_explorer(FRAMES[0], FRAMES[0], torch.tensor([1.0, 0.5, 0.0]))


@pytest.mark.parametrize(
    ("make", "kind", "message", "change"),
    [
        (
            noise_explorer,
            ValueError,
            r"images has shape \(4, 4\); expected \(n, H, W\)",
            {"images": np.zeros((4, 4))},
        ),
        (
            noise_explorer,
            ValueError,
            r"images has shape \(2, 1, 4, 4\)",
            {"images": np.zeros((2, 1, 4, 4))},
        ),
        (
            noise_explorer,
            ValueError,
            "there is no image",
            {"images": np.zeros((0, 4, 4))},
        ),
        (
            noise_explorer,
            TypeError,
            "images has dtype uint8; expected floating-point",
            {"images": FRAMES[0]},
        ),
        (
            noise_explorer,
            TypeError,
            "images holds object values of type dict",
            {"images": {}},
        ),
        (
            noise_explorer,
            TypeError,
            "rows differ in length",
            {"images": [[1.0], [1.0, 2.0]]},
        ),
        (
            noise_explorer,
            ValueError,
            "values from 0 to 2; expected finite values in",
            {"images": np.linspace(0, 2, 32).reshape(2, 4, 4)},
        ),
        (
            noise_explorer,
            ValueError,
            r"eps has shape \(2, 4, 5\); expected \(2, 4, 4\)",
            {"eps": np.zeros((2, 4, 5))},
        ),
        (
            noise_explorer,
            ValueError,
            "eps has values that are not finite",
            {"eps": np.full((2, 4, 4), np.nan)},
        ),
        (
            noise_explorer,
            ValueError,
            "names has 1 entries; expected 2",
            {"names": ["a"]},
        ),
        (
            noise_explorer,
            ValueError,
            r"t=1\.5 is out of range; expected a finite number from 0 to 1",
            {"t": 1.5},
        ),
        (
            noise_explorer,
            TypeError,
            "t='half' has type str; expected a number",
            {"t": "half"},
        ),
        (
            noise_explorer,
            ValueError,
            "index=2 is out of range; expected a whole number from 0 to 1",
            {"index": 2},
        ),
        (
            sampling_explorer,
            TypeError,
            "frames has dtype float64; expected uint8 pixels: to_pixels",
            {"frames": np.zeros((2, 3, 4, 4))},
        ),
        (
            sampling_explorer,
            ValueError,
            r"frames has shape \(3, 4, 4\); expected \(2, S\+1, H, W\)",
            {"frames": FRAMES[0]},
        ),
        (
            sampling_explorer,
            ValueError,
            r"x0 has shape \(2, 2, 4, 4\); expected \(2, 3, 4, 4\), as frames",
            {"x0": FRAMES[:, :2]},
        ),
        (
            sampling_explorer,
            ValueError,
            r"times has shape \(2,\) .* expected 3",
            {"times": [1.0, 0.0]},
        ),
        (
            sampling_explorer,
            ValueError,
            r"times has shape \(1,\) .* expected 3",
            {"times": [1.0]},
        ),
        (
            sampling_explorer,
            ValueError,
            r"times has shape \(3, 3\) .* broadcast to \(2, 3\)",
            {"times": [[1.0, 0.5, 0.0]] * 3},
        ),
        (
            sampling_explorer,
            ValueError,
            "times .* finite",
            {"times": [1.0, np.nan, 0.0]},
        ),
        (
            sampling_explorer,
            ValueError,
            r"taken has shape \(2,\) .* expected 3",
            {"taken": [0, 1]},
        ),
        (
            sampling_explorer,
            ValueError,
            "taken has values from 0 to 2; expected whole numbers .* that do not fall",
            {"taken": [0, 2, 1]},
        ),
        (
            sampling_explorer,
            ValueError,
            "taken has values from 0 to 1.5; expected whole numbers",
            {"taken": [0, 1, 1.5]},
        ),
        (
            sampling_explorer,
            ValueError,
            "step=3 is out of range; expected a whole number from 0 to 2",
            {"step": 3},
        ),
        (sampling_explorer, ValueError, "no value twice", {"axes": {"class": [3, 3]}}),
        (
            sampling_explorer,
            ValueError,
            "start names the axis 'seed'; expected one of class",
            {"start": {"seed": 1}},
        ),
        (
            sampling_explorer,
            ValueError,
            r"start\['class'\] = 4; expected one of 3, 8",
            {"start": {"class": 4}},
        ),
        (
            sampling_explorer,
            ValueError,
            r"scores\['sure'\] has shape \(3,\); expected \(2, 3\)",
            {"scores": {"sure": [0.1, 0.2, 0.3]}},
        ),
        (
            sampling_explorer,
            ValueError,
            "watches a value that is not in the state",
            {"on": {"guidance": print}},
        ),
        (
            predict,
            ValueError,
            "answer=7 is out of range; expected a finite number from 1 to 5",
            {"answer": 7},
        ),
        (predict, TypeError, "answer='3' has type str", {"answer": "3"}),
        (predict, ValueError, "answer=nan is out of range", {"answer": float("nan")}),
        (predict, ValueError, "low=5 and high=5: expected low < high", {"low": 5}),
        (
            predict,
            ValueError,
            "expected 0 < low < high, since log=True",
            {"low": 0, "log": True},
        ),
        (predict, ValueError, "digits=0 is out of range", {"digits": 0}),
        (predict, ValueError, "question is empty", {"question": " "}),
        (
            predict,
            ValueError,
            "explanation contains <script>; only <em>, <code> and <sub>",
            {"explanation": "<script>alert(1)</script>"},
        ),
        (
            predict,
            ValueError,
            "explanation contains <em onclick=x>",
            {"explanation": "<em onclick=x>a</em>"},
        ),
        (
            predict,
            ValueError,
            "opens <em> and does not close",
            {"explanation": "<em>a"},
        ),
        (
            predict,
            ValueError,
            "closes </sub> where it is not open",
            {"question": "<em>a</sub>"},
        ),
        (
            predict,
            ValueError,
            "contains ' c '; only",
            {"explanation": "a <!-- c --> b"},
        ),
        (choose, ValueError, "expected a list of two to four", {"options": ["this"]}),
        (choose, ValueError, "expected a list of two to four", {"options": "this"}),
        (choose, ValueError, r"options\[1\] is empty", {"options": ["this", ""]}),
        (
            choose,
            ValueError,
            "answer=2 is out of range; expected a whole number from 0 to 1",
            {"answer": 2},
        ),
        (choose, ValueError, "answer='that' is out of range", {"answer": "that"}),
    ],
)
def test_errors_name_the_argument(make, kind, message, change):
    good = {
        noise_explorer: {"images": IMAGES},
        sampling_explorer: WALK,
        predict: ASK,
        choose: PICK,
    }[make]
    with pytest.raises(kind, match=message):
        make(**good | change)


def test_to_pixels_moves_channels_last_and_clips():
    images = torch.tensor([-2.0, -1.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(to_pixels(images), [[[0, 0], [128, 255]]])
    assert to_pixels(np.zeros((5, 4, 3, 6, 7))).shape == (5, 4, 6, 7, 3)
    with pytest.raises(ValueError, match="C = 1 or 3"):
        to_pixels(np.zeros((2, 6, 7)))
    with pytest.raises(ValueError, match="not finite"):
        to_pixels(np.full((1, 6, 7), np.inf))
    with pytest.raises(TypeError, match="floating-point"):
        to_pixels(np.zeros((1, 6, 7), np.uint8))
