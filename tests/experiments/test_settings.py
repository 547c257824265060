"""Settings of every experiment at every budget fit the functions that do its parts."""

import contextlib
import inspect
import math

import pytest
import torch

from dit_lite import DiT, preset
from dit_lite.analysis import count_macs, set_modulation
from dit_lite.experiments.conditioning import conditioning_race, deep_zero_init
from dit_lite.experiments.patching import patch_sizes
from dit_lite.experiments.training import modern_components
from dit_lite.lab import all_experiments
from dit_lite.training import DivergedError, Trainer

EXPERIMENTS = all_experiments()


class Bound:
    """Parts that do nothing but hold the arguments against the signatures; what
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
        if part is modern_components.step_times:
            return [{name: [1.0, 0.9, 1.1] for name in ("none", "muon")}]
        return [one | shared | {"loss": 0.0} for one in parts]

    rows = map


@pytest.mark.parametrize(
    ("name", "budget"),
    [(name, budget) for name, one in EXPERIMENTS.items() for budget in one.settings],
)
def test_settings_fit_the_parts_and_maps_are_counted_right(name, budget):
    parts = Bound()
    # of rows that are made up, after the last map
    with contextlib.suppress(TypeError, KeyError, AttributeError):
        EXPERIMENTS[name].run(parts, **EXPERIMENTS[name].settings[budget])
    assert not parts.wrong
    assert parts.maps == EXPERIMENTS[name].maps


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_arms_that_are_compared_by_time_are_compiled_alike(monkeypatch, device):
    monkeypatch.setattr(
        "dit_lite.lab.arms.pick_device", lambda name: torch.device(device)
    )
    monkeypatch.setattr(
        "dit_lite.lab.arms.preferred", lambda device: ("bf16", device.type == "cuda")
    )
    runs = [
        modern_components.run_config(modern_components.DIGITS, name, steps, 1e-3, 0)
        for name, steps in (("none", 4000), ("all", 1500))
    ]
    assert {run.compile for run in runs} == {device == "cuda"}


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo looks at it
def test_the_compiler_keeps_the_versions_of_all_patch_sizes():
    """Of one function it keeps eight, and then gives up without a word."""
    versions = []
    race = patch_sizes.SMOKE | dict(model=dict(width=16, depth=2, heads=2))
    trainers = [
        Trainer(patch_sizes.config(race, patch, 8, 4e-3, 0)) for patch in (1, 2, 4, 8)
    ]
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


def test_runs_of_patch_sizes_make_equally_many_multiply_adds():
    race = patch_sizes.DIGITS
    costs = [
        patch_sizes.multiply_adds(race, int(patch)) * run.steps * run.batch_size
        for patch, batches in race["batches"].items()
        for batch in batches
        for run in [patch_sizes.config(race, int(patch), batch, 4e-3, 0)]
    ]
    assert max(costs) < 1.02 * min(costs)


def test_racers_make_equally_many_multiply_adds():
    race = conditioning_race.DIGITS
    ways = [conditioning_race.racer(race, way) for way in conditioning_race.WAYS]
    costs = [count_macs(config).forward for config in ways]
    assert max(costs) < 1.12 * min(costs)
    assert [config.conditioning for config in ways] == list(conditioning_race.WAYS)


@pytest.mark.parametrize("start", deep_zero_init.STARTS)
def test_a_start_is_the_identity_where_its_name_says_so(start):
    conditioning, *values = deep_zero_init.STARTS[start]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DiT(preset("digits", conditioning=conditioning))
        x = torch.randn(2, 16, 64)
    set_modulation(model, *values)
    context = model.condition(torch.tensor([0.2, 0.9]), torch.tensor([3, 10]))
    with torch.no_grad():
        moved = (model.blocks[1](x, context) - x).abs().max()
    assert (moved == 0) == (start in ("gate 0", "no gate, identity"))


@pytest.mark.parametrize(
    ("name", "arm", "key"),
    [(conditioning_race, "way", "lr"), (patch_sizes, "patch", "batch_size")],
)
def test_every_arm_runs_where_its_tuning_ended_lowest(name, arm, key):
    """Losses are made up: the second value of `key` is best, the first diverges."""

    class Parts:
        def map(self, part, parts, **shared):
            first = min(one[key] for one in parts)
            losses = [
                None if p[key] == first else abs(p[key] - 2 * first) for p in parts
            ]
            return [
                p | {"data": p["race"]["data"], "loss": loss}
                for p, loss in zip(parts, losses, strict=True)
            ]

    race = name.SMOKE | dict(rates=[1, 2, 4])
    if key == "batch_size":
        race |= dict(batches={"2": [3, 6, 9], "4": [3, 6]}, rates=[1])
    run = getattr(name, name.__name__.split(".")[-1])
    found = run(Parts(), races=[race], seeds=[0, 1])
    assert {row[key] for row in found["rows"]} == {6 if key == "batch_size" else 2}
    assert {row["seed"] for row in found["rows"]} == {0, 1}
    assert {row["seed"] for row in found["tuning"]} == {2}
    assert {row[arm] for row in found["rows"]} == {row[arm] for row in found["tuning"]}


def test_a_rate_that_diverges_loses(monkeypatch):
    def train_arm(config, at, look):
        if config.lr == 1:
            raise DivergedError("the loss became nan")
        return None, [math.nan if config.lr == 2 else config.lr]

    class Parts:
        def map(self, part, parts, **shared):
            return (
                [{"none": [1.0]}]
                if part is modern_components.step_times
                else [part(**one) for one in parts]
            )

    monkeypatch.setattr(modern_components, "train_arm", train_arm)
    found = modern_components.modern_components(
        Parts(),
        modern_components.DIGITS,
        seeds=[0],
        tuning_seed=1,
        rates=[1, 2, 0.25, 0.5],
        steps=4,
        rounds=2,
        least=0.0,
    )
    assert [row["loss"] for row in found["tuning"]] == [math.inf, math.inf, 0.25, 0.5]
    assert [row["lr"] for row in found["rows"]] == [0.25]
