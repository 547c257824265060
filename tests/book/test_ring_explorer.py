"""All-reduce and pipeline in a real browser: what they show is what was recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dit_lite.distributed.collectives import hierarchical, naive, ring, timeline, tree
from dit_lite.distributed.pipeline_simulator import drawn, pipeline
from dit_lite.widgets import all_reduce_explorer, pipeline_explorer

pytestmark = pytest.mark.browser
WAYS = {
    "ring": ring(4),
    "naive": naive(4),
    "tree": tree(4),
    "hierarchical": hierarchical(4, 2),
}
GRID = [
    (schedule, p, m)
    for schedule in ("naive", "gpipe", "1f1b", "interleaved", "zero_bubble")
    for p in (2, 4)
    for m in (1, 2, 8)
    if schedule != "interleaved" or m % p == 0
]
#: What the devices hold at each of these moments.
HELD_AT = """(range, moments) => moments.map(moment => {
    range.value = moment;
    range.dispatchEvent(new Event("input", { bubbles: true }));
    return JSON.parse(range.closest(".dit-explorer").dataset.results).now;
})"""


def shown(page) -> dict:
    return json.loads(page.locator(".dit-explorer").get_attribute("data-results"))


@pytest.mark.parametrize("name", WAYS)
def test_every_round_shows_whose_numbers_are_summed(show, name):
    one = timeline(WAYS[name])
    page = show(all_reduce_explorer({k: timeline(v) for k, v in WAYS.items()}))
    page.get_by_role("radio", name=name).check()
    for step in range(len(one["messages"]) + 1):
        masks = page.locator(".dit-ring-chunk").evaluate_all(
            "boxes => boxes.map(({ dataset }) => +dataset.mask)"
        )
        assert masks == one["holds"][step].flatten().tolist()
        assert shown(page)["sent"] == pytest.approx(one["sent"][step].tolist())
        lit = page.locator(".dit-ring-on").count()
        assert lit == sum(int(m).bit_count() for m in one["holds"][step].flatten())
        page.get_by_role("button", name="next round").click()
    assert "done" in page.locator(".dit-story").inner_text()
    assert shown(page)["finished"] == one["holds"][0].size


def test_every_schedule_shows_the_numbers_of_the_simulator(show):
    timelines = {key: drawn(pipeline(*key)) for key in GRID}
    page = show(pipeline_explorer(timelines))
    # m before p before the schedule: every click leads to one that is there
    for schedule, p, m in [key for key in GRID if key[2] == 8]:
        page.get_by_role("radio", name="8", exact=True).check()
        page.get_by_role("radio", name=schedule.replace("_", " "), exact=True).check()
        page.get_by_role("radiogroup", name="devices p").get_by_role(
            "radio", name=str(p), exact=True
        ).check()
        expected, found = pipeline(schedule, p, m), shown(page)
        assert found["idle_share"] == expected.idle_share
        assert found["bubble_to_work"] == expected.bubble_to_work
        assert found["held"] == expected.held
        tasks = page.locator(".dit-pipe-task").count()
        assert tasks == len(expected.events)
        # somewhere on the way each device holds what it is said to hold at most
        moments = [round(1000 * e.start / expected.seconds) for e in expected.events]
        moment = page.get_by_role("slider", name="moment")
        most = np.max(moment.evaluate(HELD_AT, moments), axis=0)
        assert all(m <= h + 1e-6 for m, h in zip(most, expected.held, strict=True))
        assert max(most) == pytest.approx(max(expected.held), abs=0.5)


def test_interleaving_needs_a_multiple_of_the_devices(show):
    timelines = {key: drawn(pipeline(*key)) for key in GRID}
    page = show(pipeline_explorer(timelines, schedule="gpipe", devices=4))
    page.get_by_role("radio", name="1", exact=True).check()
    assert page.get_by_role("radio", name="interleaved").is_disabled()
    page.get_by_role("radio", name="8", exact=True).check()
    assert page.get_by_role("radio", name="interleaved").is_enabled()
