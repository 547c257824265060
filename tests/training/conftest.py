"""How two runs are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dit_lite.files.tensors import read_tensors


def lines(metrics: list[dict]) -> list[dict]:
    return [
        {name: value for name, value in line.items() if name != "seconds"}
        for line in metrics
    ]


def values(about: dict[str, str]) -> dict:
    """The plain values of a state, apart from what depends on when it was saved: how
    long it took, and which lines were in the file already.
    """
    found = json.loads(about.get("values", "{}"))
    found.get("trainer", {}).pop("seconds", None)
    for name in ("lines", "written", "bytes"):
        found.get("metrics", {}).pop(name, None)
    return found


@pytest.fixture(scope="session")
def same_run():
    """A function that asserts that two directories hold the same run, bit for bit
    and apart from the seconds it took.
    """

    def check(one: Path, other: Path) -> None:
        for name in ("model.safetensors", "state.safetensors"):
            (first, about), (second, about_second) = (
                read_tensors(one / name),
                read_tensors(other / name),
            )
            assert first.keys() == second.keys()
            assert all(torch.equal(first[key], second[key]) for key in first)
            assert values(about) == values(about_second)
        assert (one / "config.json").read_text() == (other / "config.json").read_text()
        first, second = (
            [
                json.loads(line)
                for line in (place / "metrics.jsonl").read_text().splitlines()
            ]
            for place in (one, other)
        )
        assert lines(first) == lines(second)

    return check
