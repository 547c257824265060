import dataclasses
import json
import re
from html import unescape

import pytest
from markdown_it import MarkdownIt

from dit_lite import ConfigError, DiT, load, train
from dit_lite.cli import main
from dit_lite.data import captioned_shapes, digits
from dit_lite.evaluation import label_penalty
from dit_lite.evaluation.reports.cards import MOST_WORDS, model_card
from dit_lite.files.pretrained import Origin
from dit_lite.training import save_model

SMALL = [
    "--samples",
    "30",
    "--steps",
    "1",
    "--scores",
    "precision",
    "--repeats",
    "21",
    "--out",
]


def report_on(run) -> None:
    """A small report in the directory of a run."""
    main(["evaluate", "--checkpoint", str(run), *SMALL, str(run / "report.json")])


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
    report_on(run)
    assert main(["card", "--checkpoint", str(run)]) == 0
    card, report = (
        (run / "README.md").read_text(),
        json.loads((run / "report.json").read_text()),
    )
    assert "![uncurated samples, one row per class](samples.png)" in card
    assert "1,442 images of digits train in the features of digits-judge" in card
    assert f"| samples | 30 | {report['precision']:.4g} [" in card
    mean, error = report["loss"]["losses"]["another class"]
    assert f"| another class | {mean:.4f} ± {error:.4f} |" in card
    assert "**Loss** (flow) on 30 images of `digits train`" in card
    assert "NOT MEASURED" not in card


def test_a_report_without_losses_is_a_report(run):
    report_on(run)
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
        "dit_lite.evaluation.reports.comparison.load_data",
        lambda *_: dataclasses.replace(digits("test"), class_names=tuple("abcdefghij")),
    )
    with pytest.raises(
        ValueError,
        match=r"'mine' does not have the classes of the model: '0', .* missing and 'a', .* added; give",
    ):
        model_card(run, "mine")


def test_what_was_written_by_hand_is_kept(run, capsys):
    (run / "README.md").write_text("mine")
    assert main(["card", "--checkpoint", str(run)]) == 2
    assert "already there; use --renew" in capsys.readouterr().err
    assert (run / "README.md").read_text() == "mine"


def test_a_file_that_is_no_report_is_refused(run):
    (run / "report.json").write_text("{}")
    with pytest.raises(
        ConfigError, match=r"report.json is not a report .*evaluate --out"
    ):
        model_card(run)


HOSTILE = {
    "tag": "<script>alert(1)</script>",
    "link": "[x](javascript:alert(1))",
    "image": "![x](https://evil.example/x.png)",
    "address": "see https://evil.example or www.evil.example",
    "cell": "a | b | c",
    "code": "`` ` x",
    "mathematics": "$x$ {cite}`y`",
    "emphasis": "*a* _b_ ~~c~~",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_class_names_of_strangers_do_nothing_in_a_card(tiny, tmp_path, kind):
    name = HOSTILE[kind]
    names = (name, "b", "c")
    (tmp_path / "run").mkdir()
    save_model(DiT(tiny(class_names=names)), tmp_path / "run", Origin(name, 1, 0.5, 1))
    card = model_card(tmp_path / "run")
    html = MarkdownIt("gfm-like").render(card)
    for tag in ("<script", "<a ", "<img", "<em>", "<s>", "<strong>a"):
        assert tag not in html.replace("<strong>Classes", ""), tag
    text = html_of(html)
    assert " ".join(name.split()) in text.replace("\u200b", ""), "it is shown as it is"


def html_of(html: str) -> str:
    """The text that a browser shows."""
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize("field", ["row", "sampler", "reference", "extractor", "note"])
def test_a_report_of_a_stranger_does_nothing_in_a_card(run, field):
    report_on(run)
    report = json.loads((run / "report.json").read_text())
    report["rows"][0][field] = "x\n\n# Forged\n\n<script>a</script> | [b](c)"
    (run / "report.json").write_text(json.dumps(report))
    html = MarkdownIt("gfm-like").render(model_card(run))
    assert html.count("<h1>") == 1
    assert not {"<script", "<a "} & set(re.findall("<script|<a ", html))
    assert "# Forged" in html_of(html)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a\u202eb", 7, "x" * 256])
def test_a_class_that_cannot_be_printed_is_refused(tiny, name):
    with pytest.raises(ConfigError, match=r"class_names\[1\]="):
        tiny(class_names=("a", name, "c"))


def test_a_card_can_be_renewed_and_keeps_what_was_written_by_hand(run, capsys):
    command = ["card", "--checkpoint", str(run)]
    assert main(command) == 0
    written = (run / "README.md").read_text()
    mine = written.replace("CHOOSE ONE THAT THE PICTURES ALLOW.", "MIT.")
    (run / "README.md").write_text("My own words.\n\n" + mine + "\nAnd more.\n")
    (run / "samples.png").write_bytes(b"")
    assert main([*command, "--renew"]) == 0
    card = (run / "README.md").read_text()
    assert card.startswith("My own words.\n\n")
    assert card.endswith("\nAnd more.\n")
    assert "MIT." in card
    assert "samples.png" in card
    assert "samples.png" not in written
    (run / "README.md").write_text("mine")
    assert main([*command, "--renew"]) == 2
    assert "lacks the marks" in capsys.readouterr().err
    assert (run / "README.md").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{}", "nonsense", '{"step": "x"}'])
def test_metrics_that_are_none_are_refused(run, content):
    (run / "metrics.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=r"metrics.jsonl holds no lines of metrics"):
        model_card(run)


@pytest.fixture
def saved(tiny, tmp_path):
    """A function that saves a small model under a configuration with changes."""

    def make(**changes):
        save_model(DiT(tiny(**changes)), tmp_path, Origin("photos", 1, 0.5, 1))
        (tmp_path / "samples.png").write_bytes(b"")
        return model_card(tmp_path)

    return make


def test_a_model_of_captions_is_described_by_its_words(saved):
    card = saved(
        condition="caption", words=("", "a", "cat", "*sat*"), vocab_size=4,
        caption_length=6, conditioning="adaln_zero_cross",
    )  # fmt: skip
    assert "caption-conditional" in card
    assert "8x8x1, from captions of up to 6 words out of 3: patch 2" in card
    assert "- **Words** a, cat, " in card
    assert "<em>" not in MarkdownIt("gfm-like").render(card), "a word is no markup"
    assert "![uncurated samples, one row per caption](samples.png)" in card
    assert "class" not in card.lower()


def test_a_long_vocabulary_is_cut_and_says_so(saved):
    words = ("", *(f"w{i}" for i in range(MOST_WORDS + 3)))
    card = saved(
        condition="caption", words=words, vocab_size=len(words), caption_length=6
    )
    assert f"w{MOST_WORDS - 1}, and 3 more in config.json." in card
    assert f"w{MOST_WORDS}," not in card


def test_a_model_of_features_is_described_by_its_text_encoder(saved):
    card = saved(condition="features", caption_length=7, feature_width=12)
    assert "from the features of a text encoder, up to 7 tokens of width 12" in card
    assert "![uncurated samples, one row per text](samples.png)" in card
    assert "class" not in card.lower()


def test_a_card_measures_the_loss_by_the_caption_given(tmp_path, short):
    shape = captioned_shapes().shape
    model = shape | dict(num_classes=10, patch_size=8, conditioning="in_context")
    out = tmp_path / "shapes"
    train(short(model, data="shapes", steps=2, out=str(out)), progress=False)
    card = model_card(out, "shapes")
    expected = label_penalty(load(out), captioned_shapes("test"), of="shapes")
    assert list(expected.losses) == ["its caption", "no caption", "another caption"]
    for label, (mean, error) in expected.losses.items():
        assert f"| {label} | {mean:.4f} ± {error:.4f} |" in card
    assert "another caption costs" in str(expected)
