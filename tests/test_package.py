import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import dit_lite
from dit_lite.analysis import initial_branches
from dit_lite.data import Dataset
from dit_lite.evaluation import train_classifier, train_judge
from dit_lite.training import Trainer

OPTIONAL = (
    "PIL",
    "pyarrow",
    "torchvision",
    "matplotlib",
    "scipy",
    "sklearn",
    "diffusers",
    "tensorboard",
    "ipywidgets",
    "anywidget",
    "yaml",
    "pandas",
    "torch_fidelity",
)


@pytest.mark.parametrize(
    "seeded",
    [
        lambda: Trainer(
            dit_lite.TrainConfig(device="cpu", changes=dict(width=16, depth=1))
        ),
        lambda: train_judge(1),
        lambda: train_classifier(
            Dataset(
                "grey", np.zeros((4, 3, 32, 32), np.uint8), np.arange(4) % 2, ("a", "b")
            ),
            (4, 4, 4),
            1,
            4,
        ),
        lambda: initial_branches(
            dit_lite.DiTConfig(width=8, heads=2), torch.zeros(1, 8, 8)
        ),
    ],
    ids=["run", "judge", "classifier", "branches"],
)
def test_a_seed_is_not_that_of_the_gpus(monkeypatch, seeded):
    before = torch.get_rng_state()
    monkeypatch.setattr(
        "torch.manual_seed",
        lambda seed: pytest.fail("this seeds the generators of all GPUs too"),
    )
    seeded()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_public_names_are_there():
    promised = {
        "DiTConfig",
        "TrainConfig",
        "preset",
        "DiT",
        "record_attention",
        "load_official",
        "sample",
        "train",
        "load",
    }
    assert promised <= set(dit_lite.__all__)
    assert all(hasattr(dit_lite, name) for name in dit_lite.__all__)


@pytest.mark.process
def test_import_needs_only_the_core_dependencies():
    blocked = (
        f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r})); import "
        "dit_lite, dit_lite.evaluation; dit_lite.DiT(dit_lite.preset('digits'))"
    )
    subprocess.run([sys.executable, "-c", blocked], check=True)


def test_every_public_name_is_that_of_its_room():
    for name, room in dit_lite._ROOM_OF.items():
        assert getattr(dit_lite, name) is getattr(
            importlib.import_module(f"dit_lite.{room}"), name
        )
    assert sorted(dit_lite._ROOM_OF) == sorted(dit_lite.__all__)
    assert dit_lite.widgets.__name__ == "dit_lite.widgets"
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        dit_lite.colour  # noqa: B018


@pytest.mark.process
def test_help_of_every_command_imports_no_torch():
    code = """
import sys
from collections import Counter
from pathlib import Path
from dit_lite.cli import COMMANDS, main
for words in ([], *([name] for name in COMMANDS)):
    try:
        main([*words, "--help"])
    except SystemExit as stop:
        assert stop.code == 0
heavy = {"torch", "numpy", "einops", "safetensors"} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_file_of_tests_has_a_name_of_its_own():
    """Two of one name cannot be collected together."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]
