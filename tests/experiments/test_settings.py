"""Settings of every experiment at every budget fit the functions that do its parts,
and what a budget says of its device holds.
"""

import contextlib
import importlib
import inspect
import math
import os

import pytest
import torch

from dit_lite import ConfigError
from dit_lite.experiments import EXPERIMENTS, Experiment, cost, live, run_experiment
from dit_lite.training import DivergedError, Trainer
from dit_lite.training.precision import DEVICE, pick_device

options, patch_sizes = (
    importlib.import_module(f"dit_lite.experiments.{name}")
    for name in ("options", "patch_sizes")
)  # the package holds functions of these names


class Bound:
    """A Slices that does nothing but hold the arguments against the signatures; what
    a part returns is made up.
    """

    def __init__(self):
        self.maps, self.wrong = 0, []

    def map(self, part, parts, cost=lambda arguments: 1.0, **shared):
        self.maps += 1
        for one in parts:
            try:
                inspect.signature(part).bind(**one, **shared)
            except TypeError as error:
                self.wrong.append(f"{part.__name__}: {error}")
        if part is options.step_times:
            return [{name: [1.0, 0.9, 1.1] for name in ("none", "muon")}]
        return [one | shared | {"loss": 0.0} for one in parts]


@pytest.mark.parametrize(
    ("name", "budget"),
    [(name, budget) for name, one in EXPERIMENTS.items() for budget in one.settings],
)
def test_settings_fit_the_parts_and_maps_are_counted_right(name, budget):
    work = Bound()
    # of rows that are made up, after the last map
    with contextlib.suppress(TypeError, KeyError, AttributeError):
        EXPERIMENTS[name].run(work, **EXPERIMENTS[name].settings[budget])
    assert not work.wrong
    assert work.maps == EXPERIMENTS[name].maps


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_arms_that_are_compared_by_time_are_compiled_alike(monkeypatch, device):
    monkeypatch.setattr(
        "dit_lite.experiments.learning.pick_device", lambda name: torch.device(device)
    )
    monkeypatch.setattr(
        "dit_lite.experiments.learning.preferred",
        lambda device: ("bf16", device.type == "cuda"),
    )
    arm = patch_sizes.DIGITS | dict(
        steps=1600, most=12800, model=dict(width=64, depth=4, heads=4)
    )
    runs = [patch_sizes.config(arm, patch, 0) for patch in arm["patches"]]
    runs += [
        options.run_config(options.DIGITS, name, steps, 1e-3, 0)
        for name, steps in (("none", 4000), ("all", 1500))
    ]
    assert {run.compile for run in runs} == {device == "cuda"}


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo looks at it
def test_the_compiler_keeps_the_versions_of_all_patch_sizes():
    """Of one function it keeps eight, and then gives up without a word."""
    versions = []
    arm = patch_sizes.DIGITS | dict(
        steps=8, most=64, model=dict(width=16, depth=2, heads=2)
    )
    trainers = [Trainer(patch_sizes.config(arm, patch, 0)) for patch in arm["patches"]]
    torch.compiler.reset()
    for trainer in trainers:
        for part in (*trainer.model.blocks, trainer.model.final):
            part.compile(
                dynamic=False, backend=lambda graph, inputs: versions.append(0) or graph
            )
    found = []
    for trainer in trainers * 2:
        before = len(versions)
        trainer.train_step()
        found.append(len(versions) - before)
    assert found == [found[0]] * len(trainers) + [0] * len(trainers)
    assert found[0]


def test_a_rate_that_diverges_loses(monkeypatch):
    def learn(config, at, look):
        if config.lr == 1:
            raise DivergedError("the loss became nan")
        return None, [math.nan if config.lr == 2 else config.lr]

    class Work:
        def map(self, part, parts, **shared):
            return (
                [{"none": [1.0]}]
                if part is options.step_times
                else [part(**one) for one in parts]
            )

    monkeypatch.setattr(options, "learn", learn)
    found = options.options(
        Work(),
        options.DIGITS,
        seeds=[0],
        tuning_seed=1,
        rates=[1, 2, 0.25, 0.5],
        steps=4,
        rounds=2,
        least=0.0,
    )
    assert [row["loss"] for row in found["tuning"]] == [math.inf, math.inf, 0.25, 0.5]
    assert [row["lr"] for row in found["rows"]] == [0.25]


def test_an_experiment_runs_on_the_device_of_its_budget(squares, monkeypatch):
    seen = []
    monkeypatch.setenv(DEVICE, "cuda:7")
    monkeypatch.setattr("dit_lite.experiments.runner.need_device", lambda budget: None)
    monkeypatch.setattr(
        "dit_lite.experiments.record.preferred", lambda device: ("fp32", False)
    )
    EXPERIMENTS["toy"] = Experiment(
        "toy",
        "?",
        lambda work: seen.append(os.environ[DEVICE]) or {},
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


@pytest.mark.parametrize("begin", [lambda: cost("01_diffusion"), lambda: live(1, 2)])
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
