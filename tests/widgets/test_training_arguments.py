"""What the explorers of memory and of recorded runs take, and what they refuse."""

import itertools

import numpy as np
import pytest
from fragments import state

from dit_lite.analysis import cost_formulas
from dit_lite.config import SIZES
from dit_lite.widgets import memory_explorer, run_replay_explorer
from dit_lite.widgets.memory import SWITCHES

pytestmark = pytest.mark.usefixtures("static")
TABLE = cost_formulas()
DECAYS = [0.0, 0.9]


def runs(**changes) -> list[dict]:
    """Four runs of two rates and two warm-ups, the second one changed."""
    found = [
        dict(lr=lr, warm=warm, batch_size=24, steps=40, at=[20, 40], curve=[1.5, 0.5],
             held_out=np.full((2, 2), lr), drawn=np.zeros((2, 2, 10, 8, 8)))
        for lr, warm in itertools.product((1e-3, 1e-2), (0.0, 0.1))
    ]  # fmt: skip
    found[1] |= changes
    return found


def test_the_first_state_of_memory_is_what_was_asked_for():
    first = dict(precision="bf16_weights", accumulation=4, optimiser="muon")
    seen = state(memory_explorer(TABLE, SIZES, size="S", batch=16, **first))
    assert (seen["size"], seen["run"]["batch"]) == ("S", 16)
    assert first.items() <= seen["run"].items()
    assert {name: [key for key, _ in seen["switches"][name]] for name in SWITCHES} == {
        name: list(options) for name, options in SWITCHES.items()
    }


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("table has no inputs", {"table": {}}),
        ("sizes={}: expected", {"sizes": {}}),
        (r"sizes\['S'\]=\(384, 12\)", {"sizes": {"S": (384, 12)}}),
        ("size='XXL' is not known; choose one of S, B, L, XL", {"size": "XXL"}),
        ("batch=3 is not known; choose one of 1, 2, 4", {"batch": 3}),
        ("speed is not a switch; choose from: precision", {"speed": 3}),
        ("machine='abacus' is not known", {"machine": "abacus"}),
        ("accumulation=True is not known", {"accumulation": True}),
        ("accumulation=64 is more than batch=32", {"accumulation": 64}),
    ],
)
def test_what_memory_cannot_show_is_refused_by_name(message, change):
    with pytest.raises(ValueError, match=message):
        memory_explorer(**dict(table=TABLE, sizes=SIZES) | change)


def test_the_first_state_of_a_replay_ends_the_run_that_was_asked_for():
    seen = state(run_replay_explorer(runs(), DECAYS, beside=2, first=3))
    assert (seen["beside"], seen["run"], seen["look"], seen["decay"]) == (2, 3, 1, 1)
    assert [run["warm"] for run in seen["runs"]] == [0.0, 0.1, 0.0, 0.1]


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("runs or decays is empty", {"runs": []}),
        ("runs or decays is empty", {"decays": []}),
        ("a decay=1.5", {"decays": [0.0, 1.5]}),
        ("first=4 is out of range; expected a whole number from 0 to 3", {"first": 4}),
        ("beside=True is out of range", {"beside": True}),
        (r"runs\[1\] has no curve", {"runs": runs(curve=None)}),
        (r"runs\[1\]\['drawn'\] has shape \(2, 10, 8, 8\); expected \(2, 2, 10, H, W",
         {"runs": runs(drawn=np.zeros((2, 10, 8, 8)))}),
        (r"runs\[1\]\['held_out'\] has shape \(2,\)", {"runs": runs(held_out=[1, 2])}),
        ("two runs have the same lr", {"runs": runs(warm=0.0)}),
        ("runs lack some combination of lr", {"runs": runs()[:-1]}),
    ],
)  # fmt: skip
def test_what_a_replay_cannot_show_is_refused_by_name(message, change):
    with pytest.raises(ValueError, match=message):
        run_replay_explorer(**dict(runs=runs(), decays=DECAYS) | change)
