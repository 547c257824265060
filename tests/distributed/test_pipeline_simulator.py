import itertools

import pytest

from dit_lite.config import ConfigError
from dit_lite.distributed.pipeline_simulator import (
    SCHEDULES,
    Durations,
    Task,
    pipeline,
    simulate,
)


@pytest.mark.parametrize("m", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
def test_both_denominators_of_the_bubble_are_the_papers(schedule, m):
    p = 4
    timeline = pipeline(schedule, p, m)
    assert timeline.idle_share == pytest.approx((p - 1) / (m + p - 1))
    assert timeline.bubble_to_work == pytest.approx((p - 1) / m)


def test_splitting_by_layers_alone_leaves_three_quarters_idle():
    assert pipeline("naive", 4, 8).idle_share == pytest.approx(3 / 4)


def test_one_f_one_b_saves_memory_and_no_time():
    p, m = 4, 16
    early, late = pipeline("1f1b", p, m), pipeline("gpipe", p, m)
    assert early.seconds == late.seconds
    assert late.held == [m] * p
    assert early.held == [4, 3, 2, 1]


@pytest.mark.parametrize("m", [4, 8, 32])
def test_interleaving_divides_the_bubble_by_the_chunks(m):
    assert pipeline("interleaved", 4, m).bubble_to_work == pytest.approx(3 / m / 2)


@pytest.mark.parametrize(("p", "m"), [(2, 4), (4, 8), (8, 16)])
def test_zero_bubble_leaves_a_third_and_holds_no_more(p, m):
    timeline = pipeline("zero_bubble", p, m)
    # (p - 1)(T_F + T_B - T_W) of 3 m, all times equal
    assert timeline.bubble_to_work == pytest.approx((p - 1) / (3 * m))
    assert max(timeline.held) == max(pipeline("1f1b", p, m).held) == p


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_nobody_does_two_things_at_once_or_anything_before_its_inputs(schedule):
    p, m = 4, 8
    durations = Durations(1.0, 1.3, 0.6, send=0.25)
    timeline = pipeline(schedule, p, m, durations)
    for d in range(p):
        mine = [e for e in timeline.events if e.device == d]
        assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(mine))
    ended = {e.task: e.end for e in timeline.events}
    stages = 1 + max(task.stage for task in ended)
    for e in timeline.events:
        assert e.device == e.task.stage % p
        before = {
            "F": Task("F", e.task.stage - 1, e.task.micro),
            "B": Task("B", e.task.stage + 1, e.task.micro),
        }.get(e.task.kind)
        if before and 0 <= before.stage < stages:
            assert e.start >= ended[before] + durations.send - 1e-9
    forward = [e.task for e in timeline.events if e.task.kind == "F"]
    assert len(set(forward)) == len(forward) == stages * m


def test_a_plan_that_waits_for_itself_is_named():
    with pytest.raises(ConfigError, match="never ends"):
        simulate(
            [[Task("F", 0, 0), Task("B", 0, 0)], [Task("B", 1, 0), Task("F", 1, 0)]]
        )
    with pytest.raises(ConfigError, match="micro_batches=6 must be a multiple"):
        pipeline("interleaved", 4, 6)
    with pytest.raises(ConfigError, match="schedule='dual'"):
        pipeline("dual", 4, 6)
