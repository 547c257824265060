import dataclasses
import json

import pytest

from dit_lite import ConfigError, load, train
from dit_lite.cli import main
from dit_lite.data import digits
from dit_lite.evaluation import label_penalty
from dit_lite.evaluation.cards import model_card


@pytest.fixture
def run(tmp_path, short):
    train(short(out=str(tmp_path / "birds")), progress=False)
    return tmp_path / "birds"


def test_a_card_says_what_the_files_of_a_run_say(run):
    card = model_card(run)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    for words in ("# birds", "8x8x1 in 10 classes", "patch 2 (16 tokens), width 16, 2 "
        "blocks, 2 heads", "averaged over about 2 steps",
                  f'dit_lite.load("{run.as_posix()}")', "**Classes** 0, 1, 2",
                  "Trained on** `digits`", f"{last['images']:,} images seen",
                  f"{last['step']} steps", f"last loss was {last['loss']:.4f}",
                  "NOT MEASURED", "CHOOSE ONE"):  # fmt: skip
        assert words in card, words
    assert "samples.png" not in card


def test_a_card_shows_the_samples_and_quotes_the_report(run):
    main(
        [
            "sample",
            "--checkpoint",
            str(run),
            "--steps",
            "1",
            "--count",
            "1",
            "--out",
            str(run / "samples.png"),
        ]
    )
    asked = (
        "--samples",
        "30",
        "--steps",
        "1",
        "--scores",
        "precision",
        "--repeats",
        "21",
        "--out",
        str(run / "report.json"),
    )
    main(["evaluate", "--checkpoint", str(run), *asked])
    assert main(["card", "--checkpoint", str(run)]) == 0
    card, report = (
        (run / "README.md").read_text(),
        json.loads((run / "report.json").read_text()),
    )
    assert "![uncurated samples, a row a class](samples.png)" in card
    assert "1,442 images of digits train in the features of digits-judge" in card
    assert f"| samples | 30 | {report['precision']:.4g} [" in card
    mean, error = report["loss"]["losses"]["another class"]
    assert f"| another class | {mean:.4f} ± {error:.4f} |" in card
    assert "**Loss** (flow) on 30 images of `digits train`" in card
    assert "NOT MEASURED" not in card


def test_a_report_without_losses_is_a_report(run):
    main(
        [
            "evaluate",
            "--checkpoint",
            str(run),
            "--samples",
            "30",
            "--steps",
            "1",
            "--scores",
            "precision",
            "--repeats",
            "21",
            "--out",
            str(run / "report.json"),
        ]
    )
    report = json.loads((run / "report.json").read_text())
    del report["loss"]
    (run / "report.json").write_text(json.dumps(report))
    assert "| label given | loss |" not in model_card(run)


def test_a_card_measures_the_loss_on_held_out_pictures(run):
    assert main(["card", "--checkpoint", str(run), "--held-out", "digits"]) == 0
    card, expected = (
        (run / "README.md").read_text(),
        label_penalty(load(run), digits("test")),
    )
    assert "**Loss** (flow) on 355 images of `digits`" in card
    for label in ("its class", "no class", "another class"):
        assert "| {} | {:.4f} ± {:.4f} |".format(label, *expected.losses[label]) in card
    assert "the samples are: NOT MEASURED" in card, "a loss is no score of samples"


def test_held_out_pictures_of_other_classes_are_refused(run, monkeypatch):
    monkeypatch.setattr(
        "dit_lite.evaluation.cards.load_data",
        lambda *_: dataclasses.replace(digits("test"), class_names=tuple("abcdefghij")),
    )
    with pytest.raises(
        ConfigError,
        match=r"'mine' has class_names=\('a', .*; give held-out pictures like those it was trained on",
    ):
        model_card(run, "mine")


def test_what_was_written_by_hand_is_kept(run, capsys):
    (run / "README.md").write_text("mine")
    assert main(["card", "--checkpoint", str(run)]) == 2
    assert "already there; rename it" in capsys.readouterr().err
    assert (run / "README.md").read_text() == "mine"


def test_a_file_that_is_no_report_is_refused(run):
    (run / "report.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"report.json is no report .*evaluate --out"):
        model_card(run)
