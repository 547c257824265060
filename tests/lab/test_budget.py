"""Each budget runs on the device that it names."""

import os

import pytest
import torch

from dit_lite import ConfigError
from dit_lite.lab import (
    EXPERIMENTS,
    Experiment,
    at_budget,
    chapter_cost,
    run_experiment,
)
from dit_lite.training.precision import DEVICE, pick_device


def test_an_experiment_runs_on_the_device_of_its_budget(squares, monkeypatch):
    seen = []
    monkeypatch.setenv(DEVICE, "cuda:7")
    monkeypatch.setattr("dit_lite.lab.experiments.need_device", lambda budget: None)
    monkeypatch.setattr(
        "dit_lite.lab.provenance.preferred", lambda device: ("fp32", False)
    )
    EXPERIMENTS["toy"] = Experiment(
        "toy",
        "?",
        lambda parts: seen.append(os.environ[DEVICE]) or {},
        dict(smoke={}, cpu={}, gpu={}),
    )
    results = [run_experiment("toy", budget) for budget in EXPERIMENTS["toy"].settings]
    assert seen == ["cpu", "cpu", "cuda"]
    assert os.environ[DEVICE] == "cuda:7"
    assert "precision" not in results[1].provenance
    assert (results[2].provenance["precision"], results[2].provenance["compiled"]) == (
        "fp32",
        False,
    ), "what ran, not what GPUs do as a rule"


def test_two_runs_at_once_are_refused(squares):
    def again():
        with pytest.raises(ConfigError, match="'toy' is being run by another process"):
            run_experiment("toy", "cpu")

    squares("toy", 2, during=again)
    assert run_experiment("toy", "cpu").provenance["parts"] == 2
    run_experiment("toy", "cpu", restart=True)


@pytest.mark.parametrize(
    "begin", [lambda: chapter_cost("01_diffusion"), lambda: at_budget(1, 2)]
)
def test_the_cells_of_a_page_run_on_the_cpu_unless_told_otherwise(
    monkeypatch, checkout, begin
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv(DEVICE, "cuda:7")
    begin()
    with pytest.raises(ConfigError, match="DIT_LITE_DEVICE='cuda:7' cannot be used"):
        pick_device("auto")
    monkeypatch.delenv(DEVICE)
    begin()
    assert pick_device("auto") == torch.device("cpu")
