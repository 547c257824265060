import json
import subprocess
import sys

import pytest
from PIL import Image

from dit_lite.cli import COMMANDS, main
from dit_lite.cli.sample import class_number


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few steps by the command line."""
    out = tmp_path_factory.mktemp("cli") / "run"
    small = ("--batch-size", "8", "--width", "16", "--depth", "1")
    assert main(["train", "digits", "--steps", "6", *small, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_a_run_leaves_a_model_directory(trained):
    assert {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
        "state.safetensors",
    } <= {f.name for f in trained.iterdir()}
    assert json.loads((trained / "config.json").read_text())["width"] == 16
    assert (
        json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])["step"]
        == 6
    )


def test_sample_writes_a_grid_of_the_asked_size(trained, tmp_path, capsys):
    out = tmp_path / "deep" / "grid.png"
    assert (
        main(
            [
                "sample",
                "--checkpoint",
                str(trained),
                "--label",
                "3",
                "7",
                "--count",
                "4",
                "--steps",
                "2",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    with Image.open(out) as picture:
        assert picture.width == 2 * picture.height  # two rows of four


def test_evaluate_prints_every_score(trained, capsys):
    asked = (
        "--per-class",
        "2",
        "--steps",
        "2",
        "--scores",
        "accuracy",
        "precision",
        "recall",
    )
    assert main(["evaluate", "--checkpoint", str(trained), "--json", *asked]) == 0
    assert {
        "accuracy",
        "precision",
        "recall",
        "real_precision",
        "samples",
        "seed",
    } <= set(json.loads(capsys.readouterr().out))


def test_evaluate_prints_a_table_and_writes_the_report(trained, tmp_path, capsys):
    out = tmp_path / "deep" / "report.json"
    asked = (
        "--samples",
        "30",
        "--steps",
        "2",
        "--interval",
        "0.2",
        "0.8",
        "--scores",
        "accuracy",
        "precision",
        "--repeats",
        "21",
        "--out",
        str(out),
    )
    assert main(["evaluate", "--checkpoint", str(trained), *asked]) == 0
    printed = capsys.readouterr().out
    # 6 steps of 8 images, in which the decay was still rising
    seen, ema = "48", "2 steps"
    for words in (
        "Reference digits train",
        "digits-judge",
        "real against real",
        "0.2-0.8",
        seen,
        ema,
    ):
        assert words in printed
    assert json.loads(out.read_text())["rows"][0]["images_seen"] == 48


def test_data_list_names_every_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path))
    assert main(["data"]) == 0
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
        (
            ["train", "no/such/folder"],
            "is neither a known data set nor a folder; give digits, shapes, cifar10",
        ),
        (["data", "prepare", "pictures"], "is decoded by the first `train`"),
        (["train", "digits", "--device", "warp"], "device='warp'"),
        (["sample", "--checkpoint", "nope"], "no model 'nope'"),
        (
            ["sample", "--checkpoint", "digits", "--label", "10", "11"],
            "label 11 is out of range",
        ),
        (
            ["sample", "--checkpoint", "digits", "--label", "seven"],
            "label 'seven' is not a class of this model; the classes are: 0 (0)",
        ),
        (
            ["train", "digits", "--budget", "tpu"],
            "budget='tpu' is not known; choose one of: gpu, cpu",
        ),
        (
            ["evaluate", "--checkpoint", "digits", "--extractor", "vgg"],
            "choose one of: digits-judge, cifar10-judge",
        ),
        (
            ["sample", "--checkpoint", "digits", "--sampler", "magic"],
            "sampler='magic' is not known; choose one of: heun",
        ),
        (["sample", "--checkpoint", "digits", "--count", "0"], "at least 1"),
        (["evaluate", "--checkpoint", "nope"], "no model"),
        (
            ["evaluate", "--checkpoint", "digits", "--samples", "0"],
            "samples=0 is too small",
        ),
        (
            [
                "evaluate",
                "--checkpoint",
                "digits",
                "--samples",
                "9",
                "--per-class",
                "1",
            ],
            "not allowed with",
        ),
        (
            ["evaluate", "--checkpoint", "digits", "--scores", "fid"],
            "score='fid' is not known; choose one of: frechet",
        ),
        (
            ["evaluate", "--checkpoint", "digits", "--reference", "nowhere"],
            "is neither a known data set nor a folder",
        ),
        (
            ["evaluate", "--checkpoint", "digits", "--reference", "no.safetensors"],
            "no.safetensors is missing",
        ),
        (
            ["evaluate", "--checkpoint", "digits", "--interval", "0.8", "0.2"],
            "low <= high",
        ),
        (
            ["evaluate", "--checkpoint", "digits", "--out", "."],
            "--out . is a directory",
        ),
        (["card", "--checkpoint", "nope"], "no model"),
        (
            ["card", "--checkpoint", "digits", "--held-out", "digits"],
            "README.md is already there",
        ),
        (["card", "--checkpoint", "digits"], "README.md is already there"),
        (["bench", "nope"], "choose one of: attention, cost, quickstart, step, train"),
        (["bench", "step", "--smoke"], "--smoke is a flag of bench train"),
        (
            ["bench", "train", "--smoke", "--case", "S/2"],
            "case='S/2' is not known; choose one of: digits",
        ),
        (["data", "prepare", "nope"], "one of: digits"),
        (["experiment", "run"], "needs either the name of an experiment"),
        (["experiment", "run", "nope"], "is not known"),
    ],
)
def test_wrong_use_is_one_line_and_exit_status_2(
    words, message, tmp_path, monkeypatch, capsys
):
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


@pytest.fixture
def begun(monkeypatch):
    """Training that only keeps its configuration."""
    configs = []

    def train(config, resume):
        configs.append(config)
        raise ValueError("begun")

    monkeypatch.setattr("dit_lite.training.train", train)
    return configs


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of two classes with three pictures each."""
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "cache"))
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(
                tmp_path / "pets" / name / f"{i}.png"
            )
    return str(tmp_path / "pets")


@pytest.mark.parametrize("data", ["cifar10", "pets"])
def test_without_a_gpu_the_recipe_is_that_of_budget_cpu_and_this_is_said(
    begun, pictures, capsys, data
):
    command = ["train", pictures if data == "pets" else data, "--device", "cpu"]
    main(command)
    assert (
        "--budget cpu: S/4 width=128 depth=6 heads=4, 10,000 steps of 64 images"
        in capsys.readouterr().err
    )
    main([*command, "--budget", "gpu"])
    assert "--budget cpu" not in capsys.readouterr().err
    main([*command, "--preset", "S/8", "--steps", "5"])
    assert "--budget cpu: S/8, 5 steps of 64 images" in capsys.readouterr().err
    assert [config.budget for config in begun] == ["cpu", "gpu", "cpu"]
    assert [config.preset for config in begun] == ["S/4", "S/2", "S/8"]


def test_digits_have_one_recipe_and_need_no_word(begun, capsys):
    main(["train", "digits", "--device", "cpu"])
    assert capsys.readouterr().err == "dit_lite train: begun\n"


def test_a_run_that_does_not_fit_is_refused_with_the_way_out(
    pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("dit_lite.training.fitting.free_memory", lambda: 8e9)
    out = tmp_path / "run"
    assert (
        main(
            [
                "train",
                pictures,
                "--device",
                "cpu",
                "--budget",
                "gpu",
                "--steps",
                "2",
                "--out",
                str(out),
            ]
        )
        == 2
    )
    error = capsys.readouterr().err
    assert (
        "at least 25.2 GB, but 8.0 GB are free; choose --budget cpu, or "
        "--batch-size 64, or a smaller --preset"
    ) in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "train",
            [
                "runs/DATA",
                "--warmup STEPS",
                "--save-every STEPS",
                "--log-every STEPS",
                "a little over an hour on two cores",
            ],
        ),
        ("sample", ["by name or number", "(default: 25)"]),
        (
            "evaluate",
            [
                "digits-judge, cifar10-judge, imagenet64-judge, inception-v3",
                "(default: 25)",
            ],
        ),
    ],
)
def test_help_names_the_choices(words, said, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        main([words, "--help"])
    printed = capsys.readouterr().out
    for text in said:
        assert text in printed, text


def test_a_class_is_drawn_by_its_name(pictures, tmp_path, capsys):
    out = str(tmp_path / "run")
    small = (
        "--batch-size",
        "4",
        "--preset",
        "digits",
        "--width",
        "16",
        "--depth",
        "1",
        "--steps",
        "2",
        "--image-size",
        "8",
    )
    assert main(["train", pictures, *small, "--out", out]) == 0
    draw = ("sample", "--checkpoint", out, "--count", "2", "--steps", "1", "--out")
    for name, label in (("name", "dog"), ("number", "1")):
        assert main([*draw, str(tmp_path / f"{name}.png"), "--label", label]) == 0
    assert (tmp_path / "name.png").read_bytes() == (
        tmp_path / "number.png"
    ).read_bytes()
    assert main([*draw, str(tmp_path / "x.png"), "--label", "dot"]) == 2
    assert (
        "label 'dot' is not a class of this model; the classes are: dog (1), cat (0)"
        in capsys.readouterr().err
    )


def test_of_many_classes_the_nearest_are_named():
    with pytest.raises(
        ValueError, match=r"of 100 classes, the nearest names are: name 42 \(42\)"
    ) as error:
        class_number("Name 42x", [f"name {k}" for k in range(100)])
    assert str(error.value).count("name ") == 10


@pytest.mark.process
def test_a_second_run_in_the_same_directory_is_refused(trained):
    command = ["-m", "dit_lite", "train", "digits", "--steps", "6", "--out", trained]
    again = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert again.returncode == 2
    assert "already holds a run" in again.stderr
    assert "continue it with --resume" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.process
def test_one_process_says_that_it_divides_nothing(tmp_path):
    small = ["--batch-size", "4", "--width", "16", "--depth", "1", "--steps", "1"]
    command = ["-m", "dit_lite", "train", "digits", "--out", tmp_path / "run"]
    alone = subprocess.run(
        [sys.executable, *command, *small, "--device", "cpu", "--parallel", "fsdp"],
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 0
    assert "note: one process, so --parallel fsdp divides nothing" in alone.stderr
    assert "1 steps, 4 images" in alone.stdout


def test_resume_auto_continues_for_longer_and_says_so(tmp_path, capsys):
    out = str(tmp_path / "run")
    small = ("--batch-size", "4", "--width", "16", "--depth", "1", "--device", "cpu")
    command = ["train", "digits", *small, "--out", out, "--resume", "auto", "--steps"]
    assert main([*command, "2"]) == 0
    assert main([*command, "2"]) == 0
    assert main([*command, "4"]) == 0
    said = capsys.readouterr()
    assert "note: from step 2 on, steps was 2 and is now 4" in said.err
    assert "4 steps, 16 images" in said.out
    assert main([*command, "3"]) == 2
    assert "steps was 4 and is now 3" in capsys.readouterr().err


def test_a_run_begins_from_a_shipped_model(tmp_path, capsys):
    out = tmp_path / "run"
    few = ("--batch-size", "4", "--steps", "2", "--device", "cpu", "--out", str(out))
    assert main(["train", "digits", "--init-from", "digits", *few]) == 0
    assert json.loads((out / "config.json").read_text())["width"] == 64
    wide = ("--init-from", "digits", "--width", "32", "--out", str(tmp_path / "other"))
    assert main(["train", "digits", *wide]) == 2
    assert "give one or the other" in capsys.readouterr().err


def test_guidance_without_a_null_class_is_refused(tmp_path, capsys):
    out = tmp_path / "run"
    small = ("--batch-size", "8", "--width", "16", "--depth", "1", "--steps", "2")
    assert (
        main(["train", "digits", *small, "--label-dropout", "0", "--out", str(out)])
        == 0
    )
    assert (
        main(
            [
                "sample",
                "--checkpoint",
                str(out),
                "--guidance",
                "2",
                "--out",
                str(tmp_path / "x.png"),
            ]
        )
        == 2
    )
    error = capsys.readouterr().err
    assert "without" in error
    assert "guidance=1" in error
