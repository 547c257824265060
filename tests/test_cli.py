import json
import subprocess
import sys

import pytest
from PIL import Image

from dit_lite.cli import main

COMMANDS = ("train", "sample", "evaluate", "card", "bench", "data", "experiment")


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "dit_lite", *words], capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few steps by the command line."""
    out = tmp_path_factory.mktemp("cli") / "run"
    done = run("train", "digits", "--steps", "6", "--batch-size", "8", "--width", "16", "--depth", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "6 steps" in done.stdout
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_a_run_leaves_a_model_directory(trained):
    assert {"config.json", "model.safetensors", "metrics.jsonl", "state.safetensors"} <= {f.name for f in trained.iterdir()}
    assert json.loads((trained / "config.json").read_text())["width"] == 16
    assert json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 6


def test_sample_writes_a_grid_of_the_asked_size(trained, tmp_path, capsys):
    out = tmp_path / "deep" / "grid.png"
    assert main(["sample", "--checkpoint", str(trained), "--label", "3", "7", "--count", "4", "--steps", "2", "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.width == 2 * picture.height  # two rows of four


def test_evaluate_prints_every_score(trained, capsys):
    asked = ("--per-class", "2", "--steps", "2", "--scores", "accuracy", "precision", "recall")
    assert main(["evaluate", "--checkpoint", str(trained), "--json", *asked]) == 0
    assert {"accuracy", "precision", "recall", "real_precision", "samples", "seed"} <= set(json.loads(capsys.readouterr().out))


def test_evaluate_prints_a_table_and_writes_the_report(trained, tmp_path, capsys):
    out = tmp_path / "deep" / "report.json"
    asked = ("--samples", "30", "--steps", "2", "--interval", "0.2", "0.8", "--scores", "accuracy", "precision", "--repeats", "21", "--out", str(out))
    assert main(["evaluate", "--checkpoint", str(trained), *asked]) == 0
    printed = capsys.readouterr().out
    seen, ema = "48", "100 steps"  # 6 steps of 8 images; the recipe's decay of 0.99
    for words in ("Reference digits train", "digits-judge", "real against real", "0.2-0.8", seen, ema):
        assert words in printed
    assert json.loads(out.read_text())["rows"][0]["images_seen"] == 48


def test_data_list_names_every_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path))
    assert main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("digits", "cifar10", "imagenet64"))
    assert main(["data", "prepare", "digits"]) == 0
    assert "digits train: 1,442 images" in capsys.readouterr().out


def test_experiment_list_shows_state(capsys):
    assert main(["experiment", "list"]) == 0
    assert "quickstart" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "DATA"),
        (["nonsense"], "invalid choice"),
        (["train", "digits", "--steps", "many"], "--steps"),
        (["train", "digits", "--width", "63"], "heads=4 does not divide width=63"),
        (["train", "digits", "--preset", "S/3"], "preset='S/3' is not known"),
        (["train", "digits", "--objective", "score"], "objective='score' is not known"),
        (["train", "no/such/folder"], "is no known data set and no folder"),
        (["train", "digits", "--device", "warp"], "device='warp'"),
        (["sample", "--checkpoint", "nope"], "no model 'nope'"),
        (["sample", "--checkpoint", "digits", "--label", "10", "11"], "label 11 is out of range"),
        (["sample", "--checkpoint", "digits", "--sampler", "magic"], "sampler='magic' is not known; choose one of: heun"),
        (["sample", "--checkpoint", "digits", "--count", "0"], "at least 1"),
        (["evaluate", "--checkpoint", "nope"], "no model"),
        (["evaluate", "--checkpoint", "digits", "--samples", "0"], "samples=0 must be"),
        (["evaluate", "--checkpoint", "digits", "--samples", "9", "--per-class", "1"], "not allowed with"),
        (["evaluate", "--checkpoint", "digits", "--scores", "fid"], "score='fid' is not known; choose one of: frechet"),
        (["evaluate", "--checkpoint", "digits", "--reference", "nowhere"], "is no known data set and no folder"),
        (["evaluate", "--checkpoint", "digits", "--reference", "no.safetensors"], "no.safetensors is missing"),
        (["evaluate", "--checkpoint", "digits", "--interval", "0.8", "0.2"], "low <= high"),
        (["evaluate", "--checkpoint", "digits", "--out", "."], "--out . is a directory"),
        (["card", "--checkpoint", "nope"], "no model"),
        (["card", "--checkpoint", "digits"], "README.md is already there"),
        (["bench", "nope"], "choose one of: quickstart, step, train"),
        (["bench", "step", "--smoke"], "--smoke is a flag of bench train"),
        (["bench", "train", "--smoke", "--case", "S/2"], "case='S/2' is not known; choose one of: digits"),
        (["data", "prepare", "nope"], "one of: digits"),
        (["experiment", "run"], "needs the name"),
        (["experiment", "run", "nope"], "is not known"),
    ],
)
def test_wrong_use_is_one_line_and_exit_status_2(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "wrong use left something behind"


def test_a_recipe_for_a_gpu_is_said_to_be_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dit_lite.training.train", lambda *_, **__: exit("begun"))
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path))
    for budget, said in (("gpu", True), ("cpu", False)):
        with pytest.raises(SystemExit, match="begun"):
            main(["train", "cifar10", "--device", "cpu", "--budget", budget, "--out", str(tmp_path / "run")])
        assert ("--budget cpu takes about" in capsys.readouterr().err) is said


def test_a_second_run_in_the_same_directory_is_refused(trained):
    again = run("train", "digits", "--steps", "6", "--out", str(trained))
    assert again.returncode == 2
    assert "already holds a run" in again.stderr
    assert "Traceback" not in again.stderr


def test_guidance_without_a_null_class_is_refused(tmp_path, capsys):
    out = tmp_path / "run"
    small = ("--batch-size", "8", "--width", "16", "--depth", "1", "--steps", "2")
    assert main(["train", "digits", *small, "--label-dropout", "0", "--out", str(out)]) == 0
    assert main(["sample", "--checkpoint", str(out), "--guidance", "2", "--out", str(tmp_path / "x.png")]) == 2
    error = capsys.readouterr().err
    assert "without" in error
    assert "guidance=1" in error
