import math
from functools import cache

import pytest

from dit_lite.lab import all_experiments, run_experiment


def numbers(value) -> list[float]:
    """Every float in a JSON value."""
    if isinstance(value, dict | list):
        return [
            x
            for one in (value.values() if isinstance(value, dict) else value)
            for x in numbers(one)
        ]
    return [value] if isinstance(value, float) else []


@cache
def at_smoke(name: str) -> list[dict]:
    """The rows of a run, which the tests of this file share."""
    return run_experiment(name, "smoke").values["rows"]


STARTS_PROCESSES = (
    "quickstart",
    "all_reduce_time",
    "bug_harm",
    "compressed_gradients",
    "scaling_measured",
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.process] * (name in STARTS_PROCESSES))
        for name in sorted(all_experiments().keys() - {"chapter_costs"})
    ],
)
def test_every_experiment_runs_at_smoke_and_returns_finite_rows(name):
    rows = at_smoke(name)
    assert rows
    for row in rows:
        assert numbers(row)
        assert all(map(math.isfinite, numbers(row)))


@pytest.mark.parametrize("name", ["sampling"])  # on the worker that has run it
def test_calls_are_counted_on_a_real_walk(name):
    calls = {
        (r["sampler"], r["steps"], r["guidance"]): r["calls"] for r in at_smoke(name)
    }
    assert calls["heun", 4, 1.0] == 7  # two a step, one in the last
    assert calls["heun", 4, 2.0] == 14  # guided: twice as many
    assert calls["euler", 2, 1.0] == 2
