"""The explorers of chapter 8 name the argument that is wrong."""

import numpy as np
import pytest

from dit_lite.analysis import cost_formulas
from dit_lite.config import SIZES
from dit_lite.distributed.collectives import ring, timeline
from dit_lite.distributed.pipeline_simulator import drawn, pipeline
from dit_lite.distributed.planner import layout_formulas, planner_rules
from dit_lite.widgets import all_reduce_explorer, cluster_planner, pipeline_explorer

RING = timeline(ring(4))
GPIPE = drawn(pipeline("gpipe", 2, 4))
KEY = ("gpipe", 2, 4)


@pytest.mark.parametrize(
    ("message", "timelines", "more"),
    [
        ("timelines must be", {}, {}),
        ("must be a dict with holds", {"ring": 3}, {}),
        ("expected uint8", {"ring": RING | {"holds": np.zeros((3, 4, 4))}}, {}),
        ("do not go with holds", {"ring": RING | {"messages": []}}, {}),
        ("name='tree' is not known", {"ring": RING}, {"name": "tree"}),
        (
            "step=9 is out of range; expected a whole number from 0 to 6",
            {"ring": RING},
            {"step": 9},
        ),
    ],
)
def test_a_wrong_timeline_of_a_sum_is_refused(message, timelines, more):
    with pytest.raises(ValueError, match=message):
        all_reduce_explorer(timelines, **more)


@pytest.mark.parametrize(
    ("message", "timelines", "more"),
    [
        ("timelines must be", {}, {}),
        ("timelines has the key 'gpipe'", {"gpipe": GPIPE}, {}),
        ("lacks held", {KEY: {k: v for k, v in GPIPE.items() if k != "held"}}, {}),
        (r"expected \(n, 6\)", {KEY: GPIPE | {"events": [[1, 2]]}}, {}),
        ("devices 0 to 2", {("gpipe", 3, 4): GPIPE}, {}),
        ("is not among the timelines", {KEY: GPIPE}, {"devices": 8}),
    ],
)
def test_a_wrong_timeline_of_a_pipeline_is_refused(message, timelines, more):
    with pytest.raises(ValueError, match=message):
        pipeline_explorer(timelines, **more)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("price is not an input", dict(price=3)),
        ("machine='H900' is not known", dict(machine="H900")),
        ("heads=7 does not divide", dict(heads=7)),
        ("patch_size=3 does not cut", dict(patch_size=3)),
        ("conditioning='joint' cannot be split", dict(conditioning="joint")),
        ("devices", dict(devices=0)),
    ],
)
def test_a_wrong_first_state_of_the_planner_is_refused(message, change):
    table = cost_formulas()
    first = dict(position="sincos") | change
    with pytest.raises(ValueError, match=message):
        cluster_planner(table, layout_formulas(), planner_rules(), SIZES, **first)


def test_a_planner_without_its_formulas_or_rules_is_refused():
    with pytest.raises(ValueError, match="layouts has no formulas"):
        cluster_planner(
            cost_formulas(), layout_formulas() | {"formulas": {}}, planner_rules(),
            SIZES,
        )  # fmt: skip
    with pytest.raises(ValueError, match="rules has no shares"):
        cluster_planner(cost_formulas(), layout_formulas(), {}, SIZES)
