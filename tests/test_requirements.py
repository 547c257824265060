"""Dependencies are stated once, in pyproject.toml, and their lower bounds can be
computed.
"""

import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("floor", ROOT / ".ci/floor.py")
floor = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(floor)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]


def closure(extra: str) -> set[str]:
    """The names that an extra installs."""
    names = set()
    for requirement in EXTRAS[extra]:
        if requirement.startswith("dit-lite["):
            inner = requirement.removeprefix("dit-lite[").rstrip("]").split(",")
            names |= set().union(*map(closure, inner))
        else:
            names.add(requirement.split(">=")[0])
    return names


def test_the_requirements_are_the_extras():
    lines = {
        name: [
            line
            for line in (ROOT / name).read_text().splitlines()
            if line and not line.startswith("#")
        ]
        for name in ("requirements.txt", "requirements-test.txt")
    }
    assert lines == {
        "requirements.txt": ["-e .[reader]"],
        "requirements-test.txt": ["-e .[test]"],
    }


def test_a_reader_installs_nothing_that_only_tests_use():
    reader = closure("reader")
    assert {"jupyter-book", "jupyterlab", "nbmake", "matplotlib"} <= reader
    for heavy in ("diffusers", "playwright", "torch-fidelity", "tensorboard"):
        assert heavy not in reader
        assert heavy in closure("test")


def test_the_floor_has_every_requirement_at_its_bound():
    lowest = floor.lowest()
    assert closure("test") <= lowest.keys()
    assert {"torch", "numpy", "einops", "safetensors", "tqdm"} <= lowest.keys()
    assert lowest["jupyter-book"] == "1.0.4"


def test_a_requirement_without_a_lower_bound_is_named(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["torch"]\n[project.optional-dependencies]\n'
    )
    monkeypatch.setattr(floor, "PYPROJECT", tmp_path / "pyproject.toml")
    with pytest.raises(ValueError, match=r"'torch' in .* has no lower bound"):
        floor.lowest()
