"""A state of a run becomes the shipped model: its files, its record and its card."""

import dataclasses
import re

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dit_lite import train
from dit_lite.experiments.cross_attention import _ship, _words
from dit_lite.files.environment import resource
from dit_lite.files.pretrained import CONFIG, WEIGHTS
from dit_lite.lab import all_experiments, load_result
from dit_lite.training import load

SMALL = dict(images=4, few=2, guidance=2.0, guidances=[1.0], steps=2, earlier=None)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout into which a model is shipped: it has the judge alone."""
    judge = resource("data/checkpoints/shapes-judge.safetensors")
    for module in (
        "files.pretrained", "lab.results", "lab.archive",
        "experiments.cross_attention._ship",
    ):  # fmt: skip
        monkeypatch.setattr(f"dit_lite.{module}.resource", lambda name: tmp_path / name)
    settings = all_experiments()["shapes_model"].settings
    monkeypatch.setitem(settings, "cpu", SMALL)
    (tmp_path / "data/checkpoints").mkdir(parents=True)
    (tmp_path / "data/checkpoints" / judge.name).symlink_to(judge)
    return tmp_path


def a_run(out, seed: int):
    config = _words.captioned_run(_words.SMOKE, seed)
    train(dataclasses.replace(config, out=str(out)), progress=False)
    return out


def test_a_run_is_shipped_with_its_record_its_picture_and_its_card(checkout):
    run = a_run(checkout / "run", seed=0)
    _ship.ship(run)
    place = checkout / "data/checkpoints/shapes"
    for name in (CONFIG, WEIGHTS):
        assert (place / name).read_bytes() == (run / name).read_bytes()
    model = load("shapes")  # by its name
    weights = load_file(run / WEIGHTS)
    assert all(torch.equal(model.state_dict()[k], v) for k, v in weights.items())
    side, rows = model.config.image_size, len(_ship.CAPTIONS)
    with Image.open(place / "samples.png") as picture:
        width, height = picture.size
    assert width / height == pytest.approx(_ship.COLUMNS / rows, rel=0.05)
    assert width >= _ship.COLUMNS * side

    record = load_result("shapes_model")
    assert record.settings == SMALL
    card = (place / "README.md").read_text()
    count = sum(v.numel() for v in weights.values())
    assert f"{count:,} parameters" in card
    assert "taken at 8 images (2 of its" in card
    lines = [line.split("|")[1:-1] for line in card.splitlines() if "|" in line]
    lines = [[cell.strip() for cell in line] for line in lines]
    heads, shown = lines[0], {line[0]: line for line in lines}
    for group in ("one object", "two objects", "two objects, unseen pairs"):
        for name, head in (("colour", "colour"), ("caption", "everything")):
            row = record.select(group=group, guidance=2.0, name=name, images=4)[0]
            said = float(re.match(r"[\d.]+", shown[group][heads.index(head)])[0])
            assert said == pytest.approx(100 * row["right"] / row["asked"], abs=0.05)
    assert shown["8"][0] == "8"  # the curve by images seen has this state


def test_a_later_state_takes_the_place_of_an_earlier_one(checkout):
    _ship.ship(a_run(checkout / "first", seed=0))
    before = load_result("shapes_model").values["shipped"]
    _ship.ship(a_run(checkout / "second", seed=1))
    record = load_result("shapes_model")
    assert record.values["shipped"] != before
    assert {row["weights"] for row in record.rows} == {record.values["shipped"]}


def test_what_is_no_run_is_not_shipped(checkout):
    (checkout / "empty").mkdir()
    with pytest.raises(FileNotFoundError):
        _ship.ship(checkout / "empty")
    assert not (checkout / "data/checkpoints/shapes").exists()
