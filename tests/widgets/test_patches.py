import numpy as np
import pytest
import torch
from fragments import state

from dit_lite.widgets import example_picture, patch_explorer

pytestmark = pytest.mark.usefixtures("static")
DIGIT, PICTURE = np.zeros((8, 8), np.uint8), example_picture(32)


def test_pixels_floats_tensors_and_single_channels_are_taken():
    floats = (PICTURE / 127.5 - 1).astype(np.float32)
    made = state(
        patch_explorer(
            {
                "bytes": PICTURE,
                "floats": floats,
                "grey": torch.zeros(8, 8, 1),
                "digit": DIGIT,
            }
        )
    )
    first, second, grey, digit = made["images"]
    assert first == second, "floats in [-1,1] are the same pixels"
    assert grey["shape"] == digit["shape"] == [8, 8]
    assert made["names"] == ["bytes", "floats", "grey", "digit"]


def test_the_first_state_is_what_was_asked_for():
    made = state(
        patch_explorer(
            {"a": PICTURE},
            sizes=[16, 32],
            widths=(96,),
            size=np.int64(16),
            patch=8,
            width=96,
        )
    )
    assert [made[key] for key in ("sizes", "widths", "size", "patch", "width")] == [
        [16, 32],
        [96],
        16,
        8,
        96,
    ]
    assert made["order"] is None


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (
            TypeError,
            r"images has type ndarray; expected a dict \{name: image\}",
            {"images": PICTURE},
        ),
        (ValueError, "images is empty", {"images": {}}),
        (ValueError, "the name of an image is empty", {"images": {" ": PICTURE}}),
        (TypeError, "the name of an image has type int", {"images": {3: PICTURE}}),
        (
            ValueError,
            r"images\['a'\] has shape \(8,\); expected a square image",
            {"images": {"a": DIGIT[0]}},
        ),
        (
            ValueError,
            r"images\['a'\] has shape \(8, 4\)",
            {"images": {"a": DIGIT[:, :4]}},
        ),
        (
            ValueError,
            r"images\['a'\] has shape \(3, 32, 32\); .* \(H, H, C\) with C = 1 or 3",
            {"images": {"a": PICTURE.transpose(2, 0, 1)}},
        ),
        (
            ValueError,
            r"images\['a'\] has shape \(0, 0\)",
            {"images": {"a": DIGIT[:0, :0]}},
        ),
        (
            TypeError,
            r"images\['a'\] has dtype int64; expected uint8 pixels or floating-point",
            {"images": {"a": DIGIT.astype(np.int64)}},
        ),
        (
            TypeError,
            r"images\['a'\] holds <U4 values|images\['a'\] has dtype <U",
            {"images": {"a": [["x", "y"], ["z", "w"]]}},
        ),
        (
            ValueError,
            r"images\['a'\] has values from 0 to 255; expected finite values in \[-1,1\]",
            {"images": {"a": np.linspace(0, 255, 64).reshape(8, 8)}},
        ),
        (
            ValueError,
            "expected finite values",
            {"images": {"a": np.full((8, 8), np.nan)}},
        ),
        (
            ValueError,
            r"sizes has 12, which is neither a divisor nor a multiple of the 8 pixels of images\['b'\]",
            {"images": {"b": DIGIT}, "sizes": (4, 12), "size": 4},
        ),
        (
            ValueError,
            r"sizes\[0\]=0 is out of range; expected a whole number from 1 to 128",
            {"sizes": (0, 8)},
        ),
        (ValueError, r"sizes=\[\]: expected a list", {"sizes": ()}),
        (ValueError, r"sizes=32: expected a list", {"sizes": 32}),
        (
            ValueError,
            r"sizes=\[16, 8\]: expected increasing numbers",
            {"sizes": (16, 8)},
        ),
        (
            ValueError,
            r"widths\[0\]=64\.0 is out of range; expected a whole number from 1 to 16384",
            {"widths": (64.0,)},
        ),
        (ValueError, "size=24 is not known; choose one of 8, 16, 32, 64", {"size": 24}),
        (ValueError, "width=100 is not known; choose one of 64, 384", {"width": 100}),
        (ValueError, "width=True is not known", {"widths": (1, 2), "width": True}),
        (
            ValueError,
            "patch=3 does not divide size=8; expected one of 1, 2, 4, 8",
            {"patch": 3, "size": 8},
        ),
        (ValueError, "patch='4' does not divide", {"patch": "4"}),
    ],
)
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        patch_explorer(**{"images": {"a": PICTURE}} | change)


def test_the_example_is_colourful_and_no_patch_of_it_is_like_another():
    assert example_picture(64).shape == (64, 64, 3)
    assert example_picture(1).dtype == np.uint8
    tokens = PICTURE.reshape(8, 4, 8, 4, 3).swapaxes(1, 2).reshape(64, -1)
    assert len(np.unique(tokens, axis=0)) > 60
    larger = example_picture(64).reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(larger - PICTURE).mean() < 2, "the same picture at every size"
    for wrong in (0, 2.5, True, 4096):
        with pytest.raises(ValueError, match=f"size={wrong!r} is out of range"):
            example_picture(wrong)
