import json

import pytest

from dit_lite.cli import main
from dit_lite.lab import (
    EXPERIMENTS,
    Experiment,
    all_status,
    load_result,
    run_experiment,
    run_pending,
)


def states() -> dict[str, str]:
    return {one.name: one.state for one in all_status()}


def test_the_list_shows_state_seconds_hardware_and_question(slow, capsys):
    (
        slow("done", 2),
        slow("old", 2),
        slow("begun", 4, 3, KeyboardInterrupt()),
        slow("declared", 2, seconds={"cpu": 70}),
        slow("unknown", 2),
    )
    run_experiment("done", "cpu"), run_experiment("old", "cpu")
    EXPERIMENTS["old"].settings["cpu"]["n"] = 3
    with pytest.raises(KeyboardInterrupt):
        run_experiment("begun", "cpu")
    capsys.readouterr()
    assert main(["experiment", "list"]) == 0
    rows = {
        line.split()[0]: " ".join(line.split()[1:])
        for line in capsys.readouterr().out.splitlines()
    }
    assert rows == {
        "done": "cpu recorded 20 s one abacus What are squares?",
        "old": "cpu stale 20 s planned with older settings on one abacus What are "
        "squares?",
        "begun": "cpu 3 of 4 parts 10 s planned one abacus What are squares?",
        "declared": "cpu pending 70 s planned declared What are squares?",
        "unknown": "cpu pending not known What are squares?",
    }


def test_another_budget_plans_what_is_not_known(squares, slow):
    slow("toy", 3)
    EXPERIMENTS["toy"].settings["gpu"] = dict(n=3)
    run_experiment("toy", "cpu")
    assert [(one.seconds, one.note) for one in all_status() if one.budget == "gpu"] == [
        (30, "as at cpu")
    ]


def test_pending_runs_the_cheapest_first_within_the_time_and_then_continues(
    slow, capsys
):
    toys = [
        slow("dear", 6, seconds={"cpu": 60}),
        slow("cheap", 2, seconds={"cpu": 20}),
        slow("unknown", 1),
    ]
    assert (
        main(
            ["experiment", "run", "--pending", "--budget", "cpu", "--time-limit", "45"]
        )
        == 0
    )
    assert states() == {
        "dear": "2 of 6 parts",
        "cheap": "recorded",
        "unknown": "pending",
    }
    assert (
        "dear: 2 of 6 parts done, 40 s more planned; run the same command again"
        in capsys.readouterr().out
    )
    assert main(["experiment", "run", "--pending", "--budget", "cpu"]) == 0
    assert set(states().values()) == {"recorded"}
    assert [len(toy.did) for toy in toys] == [6, 2, 1]
    assert main(["experiment", "run", "--pending", "--budget", "cpu"]) == 0
    assert "nothing is pending at cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error",
    [RuntimeError("out of memory"), ValueError("a bad number"), AssertionError()],
)
def test_pending_goes_on_past_an_experiment_that_fails(squares, capsys, error):
    (
        squares("bad", 3, 1, error, seconds={"cpu": 1}),
        squares("good", 2, seconds={"cpu": 2}),
    )
    assert main(["experiment", "run", "--pending", "--budget", "cpu"]) == 1
    assert f"failed: bad: {type(error).__name__}: {error}" in capsys.readouterr().err
    assert states() == {"bad": "1 of 3 parts", "good": "recorded"}


def test_pending_reports_a_limit_too_short_for_a_part_and_runs_the_others(slow, capsys):
    slow("long", 1, seconds={"cpu": 100}), slow("short", 1, seconds={"cpu": 10})
    # "long" had less than 50 s left
    assert (
        main(
            ["experiment", "run", "--pending", "--budget", "cpu", "--time-limit", "50"]
        )
        == 0
    )
    assert (
        main(
            ["experiment", "run", "--pending", "--budget", "cpu", "--time-limit", "50"]
        )
        == 1
    )
    assert (
        "failed: long: time_limit=50 s is too short for one part"
        in capsys.readouterr().err
    )
    assert states() == {"long": "pending", "short": "recorded"}


def test_pending_does_not_replace_a_file_it_cannot_read(squares, checkout, capsys):
    squares("newer", 2), squares("good", 2)
    run_experiment("newer", "cpu")
    path = checkout / "data/results/newer/cpu.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    content = path.read_text()
    assert main(["experiment", "run", "--pending", "--budget", "cpu"]) == 1
    assert path.read_text() == content
    assert "failed: newer:" in capsys.readouterr().err
    assert states() == {"newer": "unusable", "good": "recorded"}
    assert main(["experiment", "list"]) == 0
    assert "its schema is 99, not 1" in capsys.readouterr().out
    run_experiment("newer", "cpu")  # asked for by name, it is
    assert load_result("newer").values["n"] == 2


def test_pending_leaves_parts_of_other_settings_alone_until_restart(squares, capsys):
    squares("toy", 3, 1, RuntimeError("a fall"))
    assert main(["experiment", "run", "--pending", "--budget", "cpu"]) == 1
    EXPERIMENTS["toy"].settings["cpu"]["n"] = 2
    assert states() == {"toy": "pending"}
    assert main(["experiment", "run", "--pending", "--budget", "cpu"]) == 1
    assert "n: 3 -> 2" in capsys.readouterr().err
    assert main(["experiment", "run", "--pending", "--budget", "cpu", "--restart"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "toy", "--budget", "huge"], "invalid choice: 'huge'"),
        (
            ["run", "nope", "--budget", "cpu"],
            "experiment='nope' is not known; choose one of: toy",
        ),
        (
            ["run", "--pending"],
            "nothing is recorded at smoke, so nothing is pending; choose "
            "--budget cpu or gpu",
        ),
        (["run", "toy", "--pending", "--budget", "cpu"], "needs either"),
        (
            ["run", "toy", "--budget", "cpu", "--time-limit", "0"],
            "time_limit=0 must be at least 1 second",
        ),
        (
            ["run", "toy", "--budget", "cpu", "--archive", "results.zip"],
            "must end in .tar.gz",
        ),
        (
            ["run", "toy", "--budget", "cpu", "--archive", "no/where/results.tar.gz"],
            "there is no directory",
        ),
        (
            ["run", "toy", "--archive", "results.tar.gz"],
            "the budget of an archive='smoke'",
        ),
    ],
)
def test_wrong_use_is_refused_before_anything_runs(
    squares, checkout, capsys, words, message
):
    toy = squares("toy", 2)
    try:
        code = main(["experiment", *words])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not toy.did
    assert not (checkout / "data").exists()


def test_budget_gpu_needs_a_gpu_before_anything_is_tried(squares, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    EXPERIMENTS["toy"] = Experiment("toy", "?", lambda parts: {}, dict(gpu={}))
    with pytest.raises(ValueError, match="needs a CUDA device"):
        run_pending("gpu")
