"""A run of seconds, and how two runs are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dit_lite import TrainConfig
from dit_lite.training.checkpoint import read_tensors


@pytest.fixture(scope="session")
def short(tiny):
    """A function that makes the configuration of a short run on digits, with changes
    of the run and of its `model`.
    """

    def make(model: dict | None = None, **changes) -> TrainConfig:
        config = tiny(**dict(num_classes=10) | (model or {}))
        base = dict(
            device="cpu",
            steps=12,
            batch_size=8,
            lr=3e-3,
            warmup=min(4, changes.get("steps", 12)),
            log_every=4,
            save_every=5,
            label_dropout=0.1 if config.null_class else 0.0,
        )
        return TrainConfig(model=config, **base | changes)

    return make


def lines(metrics: list[dict]) -> list[dict]:
    return [
        {name: value for name, value in line.items() if name != "seconds"}
        for line in metrics
    ]


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
            for key in ("step", "seen", "updates", "pending"):
                assert about.get(key) == about_second.get(key)
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
