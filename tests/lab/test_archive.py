import subprocess
import tarfile

import pytest

from dit_lite.cli import main
from dit_lite.lab import archive_results, load_result, run_experiment


def git(checkout, *words):
    who = ("-c", "user.name=reader", "-c", "user.email=reader@example.org")
    subprocess.run(
        ["git", "-C", checkout, *who, *words], check=True, capture_output=True
    )


def test_an_archive_unpacked_elsewhere_puts_results_and_parts_in_place(
    slow, checkout, tmp_path_factory, monkeypatch, capsys
):
    toys = [slow("one", 2), slow("two", 5)]
    file = checkout / "results.tar.gz"
    assert (
        main(
            [
                "experiment",
                "run",
                "--pending",
                "--budget",
                "cpu",
                "--time-limit",
                "45",
                "--archive",
                str(file),
            ]
        )
        == 0
    )
    (checkout / "data/results/one/cpu.npz").write_bytes(b"arrays")
    (checkout / "data/results/one/gpu.json").write_text("of another budget")
    expected = [
        "data/results/one/cpu.json",
        "data/results/one/cpu.npz",
        "data/results/two/cpu.parts.json",
    ]
    assert archive_results(file, "cpu") == expected
    assert (
        "data/results/one/cpu.json, data/results/two/cpu.parts.json"
        in capsys.readouterr().out
    )

    other = tmp_path_factory.mktemp("other")
    subprocess.run(["tar", "-xzf", file, "-C", other], check=True)
    for module in ("results", "archive"):
        monkeypatch.setattr(
            f"dit_lite.lab.{module}.resource", lambda name: other / name
        )
    assert load_result("one").values["n"] == 2
    run_experiment("two", "cpu")
    assert [len(toy.did) for toy in toys] == [2, 5]


def test_only_what_git_does_not_hold_is_packed(squares, checkout):
    for name in ("held", "changed", "new", "begun"):
        squares(name, 2, 1 if name == "begun" else None, RuntimeError("a fall"))
    run_experiment("held", "cpu"), run_experiment("changed", "cpu")
    (checkout / ".gitignore").write_text("*.parts.json\n")
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "two results")
    assert archive_results(checkout / "results.tar.gz", "cpu") == []
    assert not (checkout / "results.tar.gz").exists()
    (checkout / "data/results/changed/cpu.json").write_text("{}")
    run_experiment("new", "cpu")
    with pytest.raises(RuntimeError):
        run_experiment("begun", "cpu")
    packed = archive_results(checkout / "results.tar.gz", "cpu")
    assert packed == [
        "data/results/begun/cpu.parts.json",
        "data/results/changed/cpu.json",
        "data/results/new/cpu.json",
    ]


def test_ctrl_c_leaves_an_archive_of_what_is_finished(squares, checkout):
    squares("toy", 3, 2, KeyboardInterrupt())
    file = checkout / "results.tar.gz"
    assert (
        main(["experiment", "run", "toy", "--budget", "cpu", "--archive", str(file)])
        == 130
    )
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["data/results/toy/cpu.parts.json"]
