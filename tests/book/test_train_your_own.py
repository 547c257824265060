"""The commands of the page "Train your own" run, at a small size and in the page's
order.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dit_lite import TrainConfig
from dit_lite.cli import build_parser, main
from dit_lite.evaluation import EXTRACTORS, Extractor
from dit_lite.lab.experiments import all_experiments
from dit_lite.training import build_model

PAGE = (Path(__file__).parents[2] / "book" / "train_your_own.md").read_text()
COMMANDS = [
    shlex.split(line.rstrip("& "))
    for line in re.findall(
        r"^[$!] ?python -m dit_lite (.*)$", PAGE.replace("\\\n", ""), re.M
    )
]
SMALL = {
    "--steps": "2",
    "--batch-size": "4",
    "--warmup": "1",
    "--save-every": "1",
    "--samples": "12",
}


class Colours(nn.Module):
    """Mean colour as features, in the place of Inception."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 4)

    def features(self, images):
        return images.mean((2, 3))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "cache"))
    for name in ("pictures/cat", "pictures/dog", "held-out/cat", "held-out/dog"):
        (tmp_path / name).mkdir(parents=True)
        # two classes of them are enough held-out pictures for a report
        for i in range(26):
            noise = np.random.default_rng([i, len(name)]).integers(
                0, 256, (9, 8, 3), dtype=np.uint8
            )
            Image.fromarray(noise).save(tmp_path / name / f"{i}.png")


def test_every_command_is_one_of_the_command_line():
    commands = {"train", "sample", "evaluate", "card", "data"}
    assert {words[0] for words in COMMANDS} == commands
    for words in COMMANDS:
        build_parser().parse_args(words)


def test_every_experiment_that_is_named_exists():
    named = re.findall(r"experiment run (\w+)", PAGE)
    assert named
    assert set(named) <= set(all_experiments())


def test_the_commands_lead_from_pictures_to_a_card(folders, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setitem(
        EXTRACTORS,
        "inception-v3",
        lambda: Extractor(
            "inception-v3", None, 3, 3, 4, Colours().requires_grad_(False)
        ),
    )
    way = [
        words
        for words in COMMANDS
        if "runs/mine" in " ".join(words)
        and ("--budget" in words or words[0] != "train")
    ]
    assert [words[0] for words in way] == ["train", "sample", "evaluate", "card"]
    way[0] += ["--steps", "2", "--batch-size", "4", "--depth", "1"]
    way.insert(1, [*way[0], "--resume"])
    for words in way:
        assert (
            main(
                [
                    SMALL.get(before, word)
                    for before, word in zip(["", *words], words, strict=False)
                ]
            )
            == 0
        ), words
    card = Path("runs/mine/README.md").read_text()
    for words in (
        "32x32x3 in 2 classes",
        "cat, dog",
        "samples.png",
        "52 images of held-out",
        "52 images of `held-out`",
        "| samples | 12 |",
    ):
        assert words in card


def test_a_command_given_twice_differs_by_resume_alone():
    twice = [words for words in COMMANDS if [*words, "--resume"] in COMMANDS]
    assert len(twice) == 1, "the run on Colab, which goes on in the next session"


@pytest.mark.parametrize(
    "words",
    [w for w in COMMANDS if w[0] == "train" and "--init-from" not in w],
    ids=lambda words: words[-1],
)
def test_every_run_can_be_configured(words, monkeypatch, tmp_path):
    configs = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "dit_lite.training.train",
        lambda config, resume: configs.append(config) or exit("begun"),
    )
    monkeypatch.setattr(
        "dit_lite.training.precision.pick_device", lambda name: torch.device("cpu")
    )
    with pytest.raises(SystemExit, match="begun"):
        main(words)
    shape = dict(
        image_size=configs[0].image_size or 32,
        channels=3,
        num_classes=2,
        class_names=("cat", "dog"),
    )
    model = build_model(configs[0], shape)
    assert model.objective == "x0" or model.width > model.patch_size**2 * 3, (
        "a token that is narrower than its patch predicts the image"
    )


def test_the_smaller_row_of_colab_is_its_command():
    colab = next(words for words in COMMANDS if "/content/drive" in words[1])
    assert colab[colab.index("--preset") + 1] == "S/4"
    assert '("Colab, one T4", "S/4", S4, 256, 10_000, T4)' in PAGE
    assert colab[colab.index("--steps") + 1] == "10000"
    assert TrainConfig(data="pictures", preset="S/4").batch_size == 256


def test_what_a_reader_copies_needs_nothing_hidden():
    hidden = ("live(", "home", "TemporaryDirectory")
    cells = re.findall(r"```\{code-cell\} python3\n(.*?)```", PAGE, re.S)
    for cell in (cell for cell in cells if "remove-cell" not in cell):
        assert not [word for word in hidden if word in cell], cell
