import base64

import numpy as np
import pytest
import torch
from fragments import asks_for_nothing, state

from dit_lite.widgets import zero_init_explorer

pytestmark = pytest.mark.usefixtures("static")
NAMES = ("literal", "gate 0")
GOOD = {
    "tokens": np.ones((3, 4), np.float32),
    "branches": {name: np.zeros((3, 4)) for name in NAMES},
    "starts": {"literal": (0.0, 1.0, 1.0), "gate 0": (1.0, 0.0, 0.0)},
    "sensitivities": dict.fromkeys(NAMES, 0.5),
    "gradients": {name: np.ones((6, 2)) for name in NAMES},
    "groups": ["gates", "output"],
}


def every(value, **change):
    """A dict of `value` for each reading, with changes."""
    return dict.fromkeys(NAMES, value) | change


def test_the_first_state_is_the_first_reading_with_its_own_gate_at_step_one():
    first = state(zero_init_explorer(**GOOD))
    assert (first["index"], first["gate"], first["step"]) == (0, 1.0, 1)
    shut = state(zero_init_explorer(**GOOD, reading="gate 0", step=0))
    assert (shut["index"], shut["gate"], shut["step"]) == (1, 0.0, 0)
    assert (
        state(zero_init_explorer(**GOOD, reading="gate 0", gate=0.25))["gate"] == 0.25
    )


def test_readings_are_matched_by_name_and_not_by_place():
    turned = {
        name: dict(reversed(GOOD[name].items()))
        for name in ("starts", "sensitivities", "gradients")
    }
    turned["sensitivities"]["literal"] = 0.0
    turned["gradients"]["literal"] = np.zeros((6, 2))
    shown = state(zero_init_explorer(**GOOD | turned))
    assert shown["readings"] == list(NAMES)
    assert shown["starts"] == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    assert shown["sensitivities"] == [0.0, 0.5]
    assert not any(
        np.frombuffer(base64.b64decode(shown["gradients"]["data"]), np.float32)[:12]
    )


def test_tensors_lists_and_absent_groups_are_taken():
    absent = torch.ones(6, 2, requires_grad=True).masked_fill(
        torch.tensor([True, False]), float("nan")
    )
    zero_init_explorer(
        **GOOD
        | {
            "tokens": torch.ones(3, 4),
            "gradients": every([[0, 1]] * 6, literal=absent),
            "step": np.int64(5),
        }
    )


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (ValueError, r"tokens has shape \(4,\); expected \(N, D\)",
        {"tokens": np.ones(4)}),
        (ValueError, r"tokens has shape \(0, 4\)", {"tokens": np.ones((0, 4))}),
        (TypeError, "tokens has dtype int64; expected floating-point",
        {"tokens": np.ones((3, 4), int)}),
        (TypeError, "tokens holds object values of type dict", {"tokens": {}}),
        (ValueError, "tokens has values that are not finite", {"tokens": np.full((3,
        4), np.nan)}),
        (ValueError, "tokens are all zero", {"tokens": np.zeros((3, 4))}),
        (ValueError, "branches has no reading", {"branches": {}}),
        (ValueError, "or more than four", {"branches": {str(i): np.zeros((3,
        4)) for i in range(5)}}),
        (ValueError, "branches has no reading", {"branches": np.zeros((2, 3, 4))}),
        (ValueError, "the name of a reading is empty", {"branches": {"": np.zeros((3,
        4))}}),
        (ValueError,
        r"branches\['gate 0'\] has shape \(3, 5\); expected \(3, 4\), as tokens",
        {"branches": every(np.zeros((3, 4)), **{"gate 0": np.zeros((3, 5))})}),
        (ValueError, r"branches\['literal'\] has values that are not finite",
        {"branches": every(np.full((3, 4), np.inf))}),
        (TypeError, "starts has type list; expected a dict with an entry for each "
            "reading", {"starts": []}),
        (ValueError, "starts has the readings literal; expected those of branches: "
            "literal, gate 0", {"starts": {"literal": (0, 1, 1)}}),
        (ValueError,
        r"starts\['literal'\] = \(0, 1\); expected three numbers: gamma, beta and gate", {"starts": every((0, 1))}),
        (ValueError,
        r"starts\['literal'\]\[2\], the gate,=2 is out of range; expected a finite number from 0 to 1", {"starts": every((0, 1, 2))}),
        (TypeError, r"starts\['literal'\]\[0\]='0' has type str; expected a number",
        {"starts": every(("0", 1, 1))}),
        (ValueError, "sensitivities has the readings none; expected those of branches",
        {"sensitivities": {}}),
        (ValueError, r"sensitivities\['gate 0'\]=-1 is out of range",
        {"sensitivities": every(0, **{"gate 0": -1})}),
        (TypeError, r"sensitivities\['literal'\]=None has type NoneType",
        {"sensitivities": every(None)}),
        (ValueError, "gradients has the readings other; expected those of branches",
        {"gradients": {"other": np.ones((6, 2))}}),
        (ValueError,
        r"gradients\['literal'\] has shape \(6, 3\); expected \(steps, 2\)",
        {"gradients": every(np.ones((6, 3)))}),
        (ValueError,
        r"gradients\['literal'\] has shape \(1, 2\); expected \(steps, 2\): two steps or more", {"gradients": every(np.ones((1, 2)))}),
        (ValueError, r"gradients\['gate 0'\] has 5 steps; expected 6, as for the other readings",
        {"gradients": every(np.ones((6, 2)), **{"gate 0": np.ones((5, 2))})}),
        (ValueError, r"gradients\['literal'\] is not a table of norms",
        {"gradients": every(-np.ones((6, 2)))}),
        (ValueError, r"gradients\['literal'\] is not a table of norms",
        {"gradients": every(np.full((6, 2), np.inf))}),
        (ValueError, "no name twice", {"groups": ["gates", "gates"]}),
        (ValueError, r"groups\[0\] is empty", {"groups": ["", "gates"]}),
        (TypeError, r"groups\[0\] has type int; expected text", {"groups": [1, 2]}),
        (ValueError, "reading='zero' is not known; choose one of literal, gate 0",
        {"reading": "zero"}),
        (ValueError,
        r"gate=1\.5 is out of range; expected a finite number from 0 to 1",
        {"gate": 1.5}),
        (ValueError, "step=6 is out of range; expected a whole number from 0 to 5",
        {"step": 6}),
        (ValueError, "step=True is out of range", {"step": True}),
    ],
)  # fmt: skip
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        zero_init_explorer(**GOOD | change)


def test_the_fragment_is_light_and_asks_for_nothing():
    fragment = zero_init_explorer(**GOOD).data
    assert asks_for_nothing(fragment)
    assert len(fragment) < 40_000


def test_with_a_kernel_it_is_a_widget(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    widget = zero_init_explorer(**GOOD)
    assert isinstance(widget, anywidget.AnyWidget)
    assert "export default { render };" in widget._esm
    assert ".dit-strips" in widget._css
    assert (
        widget.readings,
        widget.index,
        widget.gate,
        widget.step,
        widget.recomputed,
    ) == (list(NAMES), 0, 1.0, 1, [])
