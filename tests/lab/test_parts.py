import json
import signal
from pathlib import Path

import pytest
from forked import forked
from killed_between_parts import run_toy

from dit_lite.cli import main
from dit_lite.config import ConfigError
from dit_lite.lab import (
    EXPERIMENTS,
    Experiment,
    OutOfTime,
    ResultError,
    TimeLimit,
    all_status,
    grid,
    load_result,
    run_experiment,
)

ROWS = [[k, k**2] for k in range(4)]


def parts_file(checkout, name="toy") -> Path:
    return checkout / f"data/results/{name}/cpu.parts.json"


def stopped(squares, n=4, at=2, **keywords):
    """An experiment of `n` parts that failed in part `at`."""
    toy = squares("toy", n, at, RuntimeError("a fall"), **keywords)
    with pytest.raises(RuntimeError, match="a fall"):
        run_experiment("toy", "cpu")
    return toy


def test_rows_come_in_order_as_json_values_and_leave_no_parts_behind(squares, checkout):
    squares("toy", 4)
    assert (
        run_experiment("toy", "cpu").values
        == {"rows": ROWS, "n": 4}
        == load_result("toy").values
    )
    assert not parts_file(checkout).exists()


def test_the_lists_of_several_parts_become_one(squares):
    def run(parts):
        return {"rows": parts.rows(lambda k, n: [k] * n, grid(k=[1, 2]), n=2)}

    squares("toy", 1)
    EXPERIMENTS["toy"] = Experiment("toy", "?", run, dict(smoke={}))
    assert run_experiment("toy", "smoke").values == {"rows": [1, 1, 2, 2]}


def test_a_grid_changes_its_last_name_fastest():
    assert [tuple(one.items()) for one in grid(a=[1, 2], b="xy")] == [
        (("a", a), ("b", b)) for a in (1, 2) for b in "xy"
    ]


def test_a_failed_run_continues_after_its_last_finished_part(squares, checkout):
    toy = stopped(squares)
    assert len(json.loads(parts_file(checkout).read_text())["runs"][0]["parts"]) == 2
    assert run_experiment("toy", "cpu").values["rows"] == ROWS
    assert toy.did == [0, 1, 2, 3]
    assert not parts_file(checkout).exists()


def test_ctrl_c_loses_one_part_and_says_how_many_are_kept(squares, capsys):
    toy = squares("toy", 4, 2, KeyboardInterrupt())
    assert main(["experiment", "run", "toy", "--budget", "cpu"]) == 130
    assert "toy: 2 of 4 parts done" in capsys.readouterr().err
    run_experiment("toy", "cpu")
    assert toy.did == [0, 1, 2, 3]


@pytest.mark.process
def test_a_killed_run_continues_to_the_same_result(tmp_path):
    for harm, expected in (
        ("replace", -signal.SIGKILL),
        ("part", -signal.SIGKILL),
        ("none", 0),
    ):
        job = forked(run_toy, tmp_path, harm)
        job.join()
        assert job.exitcode == expected
    # the first part was done but not saved; nothing else was done twice
    assert (tmp_path / "did").read_text() == "0 0 1 2 3 "
    result = json.loads((tmp_path / "data/results/toy/cpu.json").read_text())
    assert result["values"]["rows"] == ROWS
    assert [one["parts"] for one in result["provenance"]["runs"]] == [2, 2]


def test_restart_forgets_the_finished_parts(squares):
    toy = stopped(squares)
    run_experiment("toy", "cpu", restart=True)
    assert toy.did == [0, 1, 0, 1, 2, 3]


def test_smoke_keeps_no_parts(squares, checkout):
    squares("toy", 4, 0, RuntimeError("a fall"))
    with pytest.raises(RuntimeError):
        run_experiment("toy", "smoke")
    assert not (checkout / "data").exists()


def test_parts_of_other_settings_are_refused_by_name_with_a_way_out(
    squares, checkout, capsys
):
    stopped(squares)
    EXPERIMENTS["toy"].settings["cpu"]["n"] = 5
    assert main(["experiment", "run", "toy", "--budget", "cpu"]) == 2
    error = capsys.readouterr().err
    assert "2 parts were made with other settings (n: 4 -> 5)" in error
    assert str(parts_file(checkout)) in error
    assert "--restart" in error
    assert main(["experiment", "run", "toy", "--budget", "cpu", "--restart"]) == 0


def test_parts_of_other_hardware_are_refused(squares, monkeypatch):
    stopped(squares)
    monkeypatch.setattr("dit_lite.lab.provenance.hardware", lambda device: "two abaci")
    with pytest.raises(
        ResultError,
        match="made on one abacus, but this is two abaci; a result must come from one kind of",
    ):
        run_experiment("toy", "cpu")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ('{"schema": 1}', "lacks budget, name"),
        (None, "schema is 99"),
    ],
)
def test_a_foreign_file_of_parts_is_refused(squares, checkout, content, message):
    stopped(squares)
    path = parts_file(checkout)
    path.write_text(
        content or json.dumps(json.loads(path.read_text()) | {"schema": 99})
    )
    with pytest.raises(ResultError, match=f"{message}.*--restart"):
        run_experiment("toy", "cpu")


def test_parts_that_a_later_result_has_overtaken_are_not_used(squares, checkout):
    toy = stopped(squares)
    left_over = parts_file(checkout).read_text()
    run_experiment("toy", "cpu")
    parts_file(checkout).write_text(left_over)
    run_experiment("toy", "cpu")
    assert toy.did == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_part_must_return_plain_json_values(squares):
    EXPERIMENTS["toy"] = Experiment(
        "toy",
        "?",
        lambda parts: {"rows": parts.map(lambda k: {k}, [dict(k=1)])},
        dict(cpu={}),
    )
    with pytest.raises(TypeError, match="other than plain JSON"):
        run_experiment("toy", "cpu")


def test_the_provenance_of_several_runs_names_all_commits_and_sums_seconds(
    slow, monkeypatch
):
    stopped(slow)
    monkeypatch.setattr("dit_lite.lab.provenance.commit", lambda: "1" * 40)
    result = run_experiment("toy", "cpu")
    assert [one["commit"][0] for one in result.provenance["runs"]] == ["0", "1"]
    assert result.provenance["seconds"] == 40
    assert "commits 00000000, 11111111, one abacus" in str(result)
    assert str(load_result("toy")) == str(result)


def test_a_run_stops_before_the_time_limit_and_continues(slow, capsys):
    toy = slow("toy", 4)
    assert (
        main(["experiment", "run", "toy", "--budget", "cpu", "--time-limit", "25"]) == 0
    )
    assert (
        "toy: 2 of 4 parts done, 20 s more planned; run the same command again "
        "to continue"
    ) in capsys.readouterr().out
    assert (
        main(["experiment", "run", "toy", "--budget", "cpu", "--time-limit", "25"]) == 0
    )
    assert toy.did == [0, 1, 2, 3]
    assert load_result("toy").provenance["seconds"] == 40


def test_with_nothing_known_one_part_is_always_done(slow):
    toy = slow("toy", 4)
    with pytest.raises(OutOfTime, match="1 of 4"):
        run_experiment("toy", "cpu", limit=TimeLimit(1))
    assert toy.did == [0]


@pytest.mark.parametrize("known", ["declared", "recorded", "parts"])
def test_a_limit_shorter_than_a_part_is_refused(slow, known, capsys):
    toy = slow("toy", 4, **({"seconds": {"cpu": 40}} if known == "declared" else {}))
    if known == "recorded":
        run_experiment("toy", "cpu")
    if known == "parts":
        with pytest.raises(OutOfTime):
            run_experiment("toy", "cpu", limit=TimeLimit(15))
    before = len(toy.did)
    assert (
        main(["experiment", "run", "toy", "--budget", "cpu", "--time-limit", "9"]) == 2
    )
    assert (
        "time_limit=9 s is too short for one part of toy at cpu, about 10 s; "
        "give --time-limit 20 or more"
    ) in capsys.readouterr().err
    assert len(toy.did) == before


def test_the_record_of_another_machine_refuses_nothing(slow, monkeypatch):
    toy = slow("toy", 4)
    run_experiment("toy", "cpu")
    for module in ("provenance", "experiments"):
        monkeypatch.setattr(
            f"dit_lite.lab.{module}.hardware", lambda device: "two abaci"
        )
    with pytest.raises(OutOfTime):
        run_experiment("toy", "cpu", limit=TimeLimit(9))
    assert len(toy.did) == 5


def test_parts_that_are_not_alike_are_planned_by_their_cost(squares, clock):
    did = []

    def wait(seconds):
        clock(seconds)
        did.append(seconds)

    def toy(parts):
        return {
            "rows": parts.map(
                wait,
                [dict(seconds=s) for s in (1, 2, 4, 8)],
                cost=lambda part: part["seconds"],
            )
        }

    EXPERIMENTS["toy"] = Experiment("toy", "?", toy, dict(cpu={}))
    with pytest.raises(OutOfTime, match="3 of 4 parts done, 8 s more planned"):
        run_experiment("toy", "cpu", limit=TimeLimit(14))
    assert did == [1, 2, 4]


def two_maps(clock):
    """An experiment of one part of a minute, and then four of ten seconds."""

    def one(k):
        clock(60)

    def another(k):
        clock(10)

    def toy(parts):
        parts.map(one, [dict(k=0)])
        return {"rows": parts.map(another, [dict(k=k) for k in range(4)])}

    EXPERIMENTS["toy"] = Experiment(
        "toy", "?", toy, dict(cpu={}), seconds=dict(cpu=900.0), maps=2
    )


def test_what_a_whole_experiment_takes_does_not_refuse_a_part_of_it(squares, clock):
    two_maps(clock)
    with pytest.raises(OutOfTime, match="1 of 5 parts done, time not known yet"):
        # less than half is left for a part of which nothing is known
        run_experiment("toy", "cpu", limit=TimeLimit(100))
    assert [(one.state, one.seconds) for one in all_status()] == [("1 part", 840)]
    with pytest.raises(OutOfTime, match="3 of 5 parts done, 20 s more planned"):
        run_experiment("toy", "cpu", limit=TimeLimit(25))
    assert [(one.state, one.seconds) for one in all_status()] == [
        ("3 of 5 parts", pytest.approx(80 / 3 * 2))
    ]
    with pytest.raises(
        ConfigError,
        match=r"time_limit=9 s is too short for one part of toy at cpu, about 10 s",
    ):
        run_experiment("toy", "cpu", limit=TimeLimit(9))
    run_experiment("toy", "cpu", limit=TimeLimit(25))
    assert [one.state for one in all_status()] == ["recorded"]


@pytest.mark.parametrize("seconds", [0, -3, 0.5, float("nan")])
def test_a_time_limit_is_at_least_a_second(seconds):
    with pytest.raises(ConfigError, match="at least 1 second"):
        TimeLimit(seconds)
