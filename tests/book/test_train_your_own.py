"""The commands of the page "Train your own" run, in small, in the order in which they stand there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dit_lite.cli import build_parser, main
from dit_lite.evaluation import EXTRACTORS, Extractor

PAGE = (Path(__file__).parents[2] / "book" / "train_your_own.md").read_text()
COMMANDS = [shlex.split(line.rstrip("& ")) for line in re.findall(r"^[$!] ?python -m dit_lite (.*)$", PAGE.replace("\\\n", ""), re.M)]
SMALL = {"--steps": "2", "--batch-size": "4", "--warmup": "1", "--save-every": "1", "--samples": "12", "--image-size": "8"}


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
        for i in range(12):
            noise = np.random.default_rng([i, len(name)]).integers(0, 256, (9, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / name / f"{i}.png")


def test_every_command_is_one_of_the_command_line():
    assert {words[0] for words in COMMANDS} == {"train", "sample", "evaluate", "card"}
    for words in COMMANDS:
        build_parser().parse_args(words)


def test_the_commands_lead_from_pictures_to_a_card(folders, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setitem(EXTRACTORS, "inception-v3", lambda: Extractor("inception-v3", None, 3, 3, 4, Colours().requires_grad_(False)))
    way = [words for words in COMMANDS if "runs/mine" in " ".join(words) and ("--preset" in words or words[0] != "train")]
    assert len(way) == 5
    for words in way:
        assert main([SMALL.get(before, word) for before, word in zip(["", *words], words, strict=False)]) == 0, words
    card = Path("runs/mine/README.md").read_text()
    for words in ("8x8x3 in 2 classes", "cat, dog", "samples.png", "held-out train", "| samples | 12 |"):
        assert words in card
