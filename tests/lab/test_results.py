import json

import pytest

from dit_lite.files.environment import resource
from dit_lite.lab import (
    EXPERIMENTS,
    Experiment,
    ResultError,
    all_experiments,
    load_result,
    read_result,
    run_experiment,
)
from dit_lite.lab.results import FORMER_KEYS, FORMER_KINDS, FORMER_NAMES

RECORDED = sorted(resource("data/results").glob("*/[cg]pu.json"))


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of results, and an experiment that costs nothing."""
    monkeypatch.setattr("dit_lite.lab.results.resource", lambda name: tmp_path / name)
    monkeypatch.setattr("dit_lite.lab.provenance.commit", lambda: "0" * 40)
    settings = dict(smoke=dict(n=1), cpu=dict(n=2, seeds=[0, 1]))
    monkeypatch.setitem(
        EXPERIMENTS,
        "toy",
        Experiment("toy", "What is n?", lambda parts, n, seeds=(): {"n": n}, settings),
    )
    return tmp_path / "data/results/toy"


def test_a_result_comes_back_with_its_provenance(results):
    run_experiment("toy", "cpu")
    result = load_result("toy")
    assert result.values == {"n": 2}
    assert {"date", "commit", "hardware", "torch", "python", "seconds"} <= set(
        result.provenance
    )
    assert "seeds 0, 1" in str(result)
    result.provenance["hardware"] = "Abacus, 1 threads"
    assert ", Abacus, 1 thread, " in str(result)
    assert not result.stale


@pytest.mark.parametrize(("machine", "shown"), [("1 threads", "1 thread"),
                                                ("11 threads", "11 threads")])  # fmt: skip
def test_one_thread_is_written_in_the_singular(results, machine, shown):
    run_experiment("toy", "cpu")
    result = load_result("toy")
    result.provenance["hardware"] = f"one abacus, {machine}"
    assert f"one abacus, {shown}, torch" in str(result)


def test_smoke_is_never_recorded_nor_shown(results):
    assert run_experiment("toy", "smoke").values == {"n": 1}
    assert not results.exists()
    with pytest.raises(ResultError, match="experiment run toy --budget cpu"):
        load_result("toy")


def test_a_result_of_other_settings_is_labelled_stale(results, monkeypatch):
    run_experiment("toy", "cpu")
    monkeypatch.setitem(EXPERIMENTS["toy"].settings, "cpu", dict(n=3, seeds=[0, 1]))
    assert load_result("toy").stale
    assert "STALE" in str(load_result("toy"))


def test_a_field_that_the_recipe_gained_later_does_not_make_a_result_stale(
    results, monkeypatch
):
    monkeypatch.setitem(
        EXPERIMENTS,
        "toy",
        Experiment(
            "toy", "?", lambda parts, n: {"n": n}, dict(cpu=dict(n=2)), recipe="digits"
        ),
    )
    run_experiment("toy", "cpu")
    path = results / "cpu.json"
    content = json.loads(path.read_text())
    del content["settings"]["recipe"]["tensorboard"]
    path.write_text(json.dumps(content))
    assert not load_result("toy").stale
    content["settings"]["recipe"]["lr"] = 1.0
    path.write_text(json.dumps(content))
    assert load_result("toy").stale


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ('{"values": {}}', "lacks budget, name, provenance, schema, settings"),
        ("[]", "lacks"),
        (None, "schema is 99"),
    ],
)
def test_a_foreign_result_file_is_refused(results, content, message):
    run_experiment("toy", "cpu")
    path = results / "cpu.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"schema": 99})
        if content is None
        else content
    )
    with pytest.raises(ResultError, match=message):
        load_result("toy")


def test_unknown_experiments_and_budgets_are_refused(results):
    with pytest.raises(ValueError, match="choose one of"):
        run_experiment("nope", "cpu")
    with pytest.raises(ValueError, match="smoke, cpu, gpu"):
        run_experiment("toy", "huge")
    with pytest.raises(ValueError, match="has no budget 'gpu'"):
        run_experiment("toy", "gpu")


def test_every_recorded_result_is_of_this_schema_and_not_stale():
    for name, experiment in all_experiments().items():
        for budget in ("cpu", "gpu"):
            if budget not in experiment.settings:
                continue
            result = read_result(name, budget, experiment.full_settings(budget))
            assert result is None or not result.stale, (
                f"{name} at {budget} is stale: record it again"
            )


def test_a_result_recorded_under_a_former_name_is_found(results, monkeypatch):
    run_experiment("toy", "cpu")
    monkeypatch.setitem(FORMER_NAMES, "game", "toy")
    assert read_result("game", "cpu").values == {"n": 2}
    assert read_result("game", "cpu").name == "game"


def leaves(value) -> list:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for one in inner for leaf in leaves(one)]
    return [value]


@pytest.mark.parametrize("file", RECORDED, ids=lambda path: path.parent.name)
def test_names_of_older_versions_are_renamed_and_no_number_is_changed(file):
    recorded = json.loads(file.read_text())
    result = read_result(file.parent.name, file.stem)
    then = [FORMER_KINDS.get(leaf, leaf) for leaf in leaves(recorded["values"])]
    assert leaves(result.values) == then
    assert leaves(result.provenance) == leaves(recorded["provenance"])
    assert result.settings == recorded["settings"]
    today = json.dumps([result.values, result.provenance])
    assert not any(f'"{key}": ' in today for key in FORMER_KEYS)
    assert not any(f'"kind": "{kind}"' in today for kind in FORMER_KINDS)
