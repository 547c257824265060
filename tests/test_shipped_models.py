"""What a model card says is what was recorded."""

import re
from pathlib import Path

import pytest

import dit_lite
from dit_lite.experiments.cross_attention import _ship
from dit_lite.experiments.cross_attention.shapes_model import GROUPS, digest
from dit_lite.lab import read_result

DATA = Path(__file__).parents[1] / "data"


def rows_of(name: str) -> list[dict]:
    return read_result(name, "cpu").values["rows"]


def test_every_shipped_model_loads_has_a_card_and_is_small():
    names = sorted(d.name for d in (DATA / "checkpoints").iterdir() if d.is_dir())
    assert "digits" in names
    for name in names:
        config = dit_lite.load(name).config
        named, count = {
            "label": (config.class_names, config.num_classes),
            "caption": (config.words, config.vocab_size),
        }[config.condition]
        assert len(named) == count
        card = (DATA / "checkpoints" / name / "README.md").read_text()
        assert "Licence" in card
        for path in re.findall(r"data/results/[\w/]+\.json", card):
            assert (DATA.parent / path).exists()
        assert (DATA / "checkpoints" / name / "model.safetensors").stat().st_size < 12e6


def test_the_card_of_digits_quotes_its_record():
    card = (DATA / "checkpoints/digits/README.md").read_text()
    rows = rows_of("quickstart")
    for row in (r for r in rows if r["seed"] == 0):
        line = (
            f"| {row['guidance']} | {row['accuracy']:.1%} | "
            f"{row['worst_class']:.0%} | {row['precision']:.2f} | "
            f"{row['recall']:.2f} |"
        )
        assert line in card
    assert f"{rows[0]['parameters']:,} parameters" in card


def test_the_card_of_shapes_is_what_its_record_says():
    """All of it but the hours of training, which the weights do not say."""
    card = (DATA / "checkpoints/shapes/README.md").read_text()
    record = read_result("shapes_model", "cpu")
    assert record.values["shipped"] == digest("shapes")
    hours = float(re.search(r"in ([\d.]+) hours", card)[1])
    assert card == _ship.card(record, 3600 * hours)


def test_the_record_of_shapes_counts_every_group_and_grows_with_training():
    record = read_result("shapes_model", "cpu")
    main = record.select(guidance=record.settings["guidance"], name="attributes")
    shipped = main.select(weights=record.values["shipped"])
    assert shipped.distinct("group") == list(GROUPS)
    assert {row["images"] for row in shipped} == {1000}
    seen, one = main.select(group="one object").over("images_seen", "accuracy")
    assert len(seen) >= 2
    assert one[-1] > one[0]


def test_data_stays_under_60_megabytes():
    files = [
        f
        for f in DATA.rglob("*")
        if f.is_file() and "cache" not in f.relative_to(DATA).parts
    ]
    assert sum(f.stat().st_size for f in files) < 60e6


LABELS = {
    "class": "its class",
    "no class": "no class",
    "other class": "another class",
    "linear": "best linear denoiser",
    "linear, class": "best linear denoiser, given the class",
}


@pytest.mark.parametrize("name", ["cifar10", "imagenet64"])
def test_the_cards_of_photographs_quote_their_records(name):
    card = (DATA / "checkpoints" / name / "README.md").read_text()
    rows = {
        row["label"]: row
        for row in rows_of("loss_beside_linear")
        if row["model"] == name
    }
    for label in rows:
        assert f"| {LABELS[label]} | {rows[label]['loss']:.4f} |" in card
    assert f"{rows['class']['parameters']:,} parameters" in card
    assert rows["class"]["parameters"] == sum(
        p.numel() for p in dit_lite.load(name).parameters()
    )
    for row in rows_of("reports"):
        if row["model"] == name:
            scores = [
                f"{row['accuracy']:.1%}",
                f"{row['precision']:.2f}",
                f"{row['recall']:.2f}",
                f"{row['frechet']:.1f}",
            ]
            assert f"| {row['guidance']:g} | {' | '.join(scores)} |" in card


def test_the_cards_of_the_judges_quote_their_record():
    for row in rows_of("judges"):
        card = (DATA / f"checkpoints/{row['judge']}.md").read_text()
        assert f"{row['accuracy']:.1%}".replace("%", " %") in card
        assert (DATA / f"checkpoints/{row['judge']}.safetensors").stat().st_size < 6e6
        assert (
            row["accuracy"]
            >= {"digits-judge": 0.99, "cifar10-judge": 0.9, "imagenet64-judge": 0.5}[
                row["judge"]
            ]
        )
        if row["judge"] != "digits-judge":
            assert f"{row['parameters']:,} parameters" in card
            assert f", at {min(row['by_class']):.0%}".replace("%", " %") in card
