import base64

import numpy as np
import pytest
import torch
from fragments import asks_for_nothing, state

from dit_lite.widgets import evaluation_explorer

pytestmark = pytest.mark.usefixtures("static")
NAN = float("nan")
GOOD = {
    "axes": {"w": [1, 1.5, 4]},
    "scores": {
        "recall": [[0.6, 0.5, 0.7], [0.4, 0.3, 0.5], [0.1, 0.1, 0.2]],
        "distance": [[9, 8, 10], [5, 4, 6], [7, 6, 8]],
    },
    "better": {"recall": "higher", "distance": "lower"},
    "x": "recall",
    "y": "distance",
}
IMAGES = np.zeros((3, 9, 4, 4, 3), np.uint8)
RECALL, DISTANCE = GOOD["scores"].values()


def numbers(packed: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(
        packed["shape"]
    )


@pytest.mark.parametrize(
    ("first", "index", "by"),
    [
        ({}, [1], 1),  # the least distance
        ({"by": "recall"}, [0], 0),
        ({"start": {"w": 4}}, [2], -1),
        (
            {
                "scores": {
                    "recall": RECALL,
                    "distance": [[9, 8, 10], [NAN] * 3, [7, 6, 8]],
                }
            },
            [2],
            1,
        ),
    ],
)
def test_the_first_setting_is_the_best_by_a_score_or_one_by_hand(first, index, by):
    shown = state(evaluation_explorer(**GOOD | first))
    assert (shown["index"], shown["by"]) == (index, by)


def test_the_best_setting_is_sought_on_the_curve_shown():
    # the other way round on the second curve
    recall = np.stack([RECALL, RECALL[::-1]], axis=1)
    two = {
        "axes": {"w": [1, 1.5, 4], "steps": [10, 50]},
        "scores": {"recall": recall, "distance": np.stack([DISTANCE] * 2, axis=1)},
        "by": "recall",
    }
    assert state(evaluation_explorer(**GOOD | two))["index"] == [0, 0]
    assert state(evaluation_explorer(**GOOD | two, start={"steps": 50}))["index"] == [
        2,
        1,
    ]


def test_scores_directions_and_real_rows_are_matched_by_name():
    turned = {
        "better": dict(reversed(GOOD["better"].items())),
        "real": {"distance": torch.tensor([2.0, 1.0, 3.0])},
    }
    shown = state(evaluation_explorer(**GOOD | turned))
    assert (shown["names"], shown["lower"]) == (["recall", "distance"], [False, True])
    assert (numbers(shown["scores"]) == np.array([RECALL, DISTANCE], np.float32)).all()
    assert np.array_equal(
        numbers(shown["real"]),
        np.array([[NAN] * 3, [2, 1, 3]], np.float32),
        equal_nan=True,
    )


@pytest.mark.parametrize(
    ("count", "columns"),
    [(16, [4, 8]), (10, [5, 10]), (9, [3, 9]), (20, [5, 10]), (1, [1, 8])],
)
def test_samples_stand_in_full_rows(count, columns):
    assert (
        state(
            evaluation_explorer(**GOOD, samples=np.zeros((3, count, 8, 8), np.uint8))
        )["columns"]
        == columns
    )


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (ValueError, "expected a knob first, with 2 to 12 values",
        {"axes": {"w": [1]}}),
        (ValueError, "expected a knob first", {"axes": {}}),
        (TypeError, "axes has type list", {"axes": [1, 2]}),
        (TypeError, r"axes\['w'\] has type float", {"axes": {"w": 1.5}}),
        (ValueError, "no value twice", {"axes": {"w": [1, 1.0, 4]}}),
        (TypeError, "scores has type list", {"scores": [RECALL]}),
        (ValueError, "scores has 1 entries; expected 2 to 12",
        {"scores": {"recall": RECALL}}),
        (ValueError, r"scores\['distance'\] has shape \(2, 3\); expected \(3, 3\)",
        {"scores": {"recall": RECALL, "distance": DISTANCE[:2]}}),
        (TypeError, r"scores\['distance'\] has dtype <U1; expected numbers",
        {"scores": {"recall": RECALL, "distance": [["a"] * 3] * 3}}),
        (TypeError, r"scores\['distance'\] holds object values",
        {"scores": {"recall": RECALL, "distance": [[None] * 3] * 3}}),
        (ValueError,
        r"scores\['distance'\] is \[5.0, 6.0, 4.0\] at \[1\]; expected value, low and high", {"scores": {"recall": RECALL, "distance": [[9, 8, 10], [5, 6, 4], [7, 6, 8]]}}),
        (ValueError, r"scores\['distance'\] is \[nan, 4.0, 6.0\] at \[1\]",
        {"scores": {"recall": RECALL, "distance": [[9, 8, 10], [NAN, 4, 6], [7, 6,
        8]]}}),
        (ValueError, r"scores\['distance'\] is .*inf.* at \[0\]",
        {"scores": {"recall": RECALL, "distance": [[9, 8, np.inf], [5, 4, 6], [7, 6,
        8]]}}),
        (ValueError, r"scores\['distance'\] was measured at no value of the knob",
        {"scores": {"recall": RECALL, "distance": np.full((3, 3), NAN)}}),
        (TypeError, "better has type str", {"better": "higher"}),
        (ValueError, "better has the scores recall; expected those of scores: recall, "
            "distance", {"better": {"recall": "higher"}}),
        (ValueError, r"better\['distance'\]='less' is not known; choose one of higher, lower",
        {"better": {"recall": "higher", "distance": "less"}}),
        (TypeError, "real has type list", {"real": [1, 2, 3]}),
        (ValueError, r"real\['recall'\] has shape \(2,\); expected \(3,\)",
        {"real": {"recall": [1, 2]}}),
        (ValueError, r"real\['recall'\] is \[1.0, 2.0, 3.0\]", {"real": {"recall": [1,
        2, 3]}}),
        (ValueError, "a score of real='density' is not known; choose one of recall, "
            "distance", {"real": {"density": [1, 1, 1]}}),
        (TypeError, "samples has dtype float64; expected uint8 pixels: to_pixels",
        {"samples": IMAGES / 2}),
        (ValueError, r"samples has shape \(2, 9, 4, 4, 3\); expected \(3, n, H, W\)",
        {"samples": IMAGES[:2]}),
        (ValueError, "x='f' is not known; choose one of recall, distance", {"x": "f"}),
        (ValueError, "y='f' is not known", {"y": "f"}),
        (ValueError, "by='f' is not known", {"by": "f"}),
        (ValueError, "x and y are both 'recall'", {"y": "recall"}),
        (ValueError, r"by='recall' and start\['w'\] both choose the first setting",
        {"by": "recall", "start": {"w": 1}}),
        (ValueError, r"start\['w'\] = 2; expected one of 1, 1.5, 4",
        {"start": {"w": 2}}),
        (TypeError, "start has type float; expected a dict", {"start": 1.5}),
    ],
)  # fmt: skip
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        evaluation_explorer(**GOOD | change)


def test_the_fragment_is_light_and_asks_for_nothing():
    fragment = evaluation_explorer(**GOOD).data
    assert asks_for_nothing(fragment)
    assert len(fragment) < 50_000


def test_with_a_kernel_it_is_a_widget(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    widget = evaluation_explorer(**GOOD, samples=IMAGES)
    assert isinstance(widget, anywidget.AnyWidget)
    assert ".dit-eval-table" in widget._css
    assert (
        widget.names,
        widget.index,
        widget.x,
        widget.y,
        widget.by,
        widget.columns,
        widget.recomputed,
    ) == (["recall", "distance"], [1], 0, 1, 1, [3, 9], [])
