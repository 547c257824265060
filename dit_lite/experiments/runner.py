"""Running an experiment at a budget, and reading back the best that is recorded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from ..config import CPU, PRESETS, RECIPES, ConfigError, TrainConfig, choose
from ..training.precision import DEVICE
from .partial import alone, partial_file
from .record import (
    BUDGETS,
    Result,
    ResultError,
    device_of,
    hardware,
    read_result,
    save_result,
)
from .slices import Slices, TimeLimit


@dataclass(frozen=True)
class Experiment:
    """One recorded result of the book: the question, how it is answered, and the
    settings (keyword arguments of `run`) at each budget.
    """

    name: str
    question: str
    run: Callable[..., dict]  # of a Slices and the settings
    settings: dict[str, dict]
    recipe: str | None = None  # the data set whose training recipe it follows
    # planned at each budget, until a record says better
    seconds: dict[str, float] = field(default_factory=dict)
    maps: int = 1  # how many times `run` calls Slices.map

    def full_settings(self, budget: str) -> dict:
        """The settings at a budget together with the recipe they build on, as
        recorded: a changed recipe makes a result stale.
        """
        if self.recipe is None:
            return self.settings[budget]
        recipe = TrainConfig(data=self.recipe)
        # what GPUs prefer differs: the provenance says it
        recipe = (recipe if budget == "gpu" else recipe.on(*CPU)).to_dict()
        return self.settings[budget] | {
            "recipe": recipe | {"model": PRESETS[RECIPES[self.recipe]["preset"]]}
        }

    def planned(self, budget: str) -> float | None:
        """Seconds that a run here takes: as recorded with these settings on this
        hardware, else as declared, else not known.
        """
        try:
            result = (
                read_result(self.name, budget, self.full_settings(budget))
                if budget != "smoke"
                else None
            )
        except ResultError:
            result = None
        if (
            result
            and not result.stale
            and result.provenance["hardware"] == hardware(device_of(budget))
        ):
            return result.provenance["seconds"]
        return self.seconds.get(budget)


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(
    question: str,
    recipe: str | None = None,
    seconds: dict[str, float] | None = None,
    maps: int = 1,
    **settings: dict,
) -> Callable:
    """Register a function of a `Slices` as the experiment of its name; `settings` are
    its other arguments at smoke, cpu and gpu.

    `recipe` names the data set whose training recipe it follows, `seconds` what it is
    expected to take at a budget where nothing is recorded, `maps` how many times it
    calls `Slices.map`:

        @experiment("Do averaged weights help?", recipe="digits", smoke=dict(seeds=[0],
        steps=5), cpu=dict(seeds=[0, 1, 2], steps=None))
        def averaged(work: Slices, seeds: list[int], steps: int | None) -> dict:
            return {"rows": work.map(one_run, [dict(seed=seed) for seed in seeds],
            steps=steps)}
    """

    def register(run: Callable[..., dict]) -> Callable[..., dict]:
        EXPERIMENTS[run.__name__] = Experiment(
            run.__name__, question, run, settings, recipe, seconds or {}, maps
        )
        return run

    return register


def find(name: str, budget: str) -> tuple[Experiment, dict]:
    """An experiment and its settings at a budget; raises ConfigError for names that
    do not exist.
    """
    choose("experiment", name, EXPERIMENTS)
    choose("budget", budget, BUDGETS)
    if budget not in EXPERIMENTS[name].settings:
        raise ConfigError(
            f"experiment {name!r} has no budget {budget!r}; choose one of: "
            f"{', '.join(EXPERIMENTS[name].settings)}"
        )
    return EXPERIMENTS[name], EXPERIMENTS[name].settings[budget]


def need_device(budget: str) -> None:
    """Raise ConfigError when this machine lacks the device of a budget."""
    if device_of(budget) == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"budget={budget!r} needs a CUDA device, and there is none; choose "
            "cpu or smoke"
        )


@contextlib.contextmanager
def on_device(name: str) -> Iterator[None]:
    """Inside, and in the processes started there, the device "auto" is this one."""
    before = os.environ.get(DEVICE)
    os.environ[DEVICE] = name
    try:
        yield
    finally:
        os.environ.pop(DEVICE, None)
        if before is not None:
            os.environ[DEVICE] = before


def run_experiment(
    name: str,
    budget: str,
    save: bool = True,
    limit: TimeLimit | None = None,
    restart: bool = False,
) -> Result:
    """Run an experiment, or what is left of it, and record it under data/results (at
    smoke nothing is recorded).

    Everything runs on the device of the budget. Parts that an earlier run finished are
    taken from disk, unless `restart`. Raises OutOfTime when `limit` ends it early,
    ConfigError for an unknown experiment, a limit shorter than one part, or an
    experiment that another process runs, ResultError when the finished parts are of
    other settings or other hardware.
    """
    chosen, settings = find(name, budget)
    need_device(budget)
    keep = save and budget != "smoke"
    with (
        on_device(device_of(budget)),
        alone(name, budget) if keep else contextlib.nullcontext(),
    ):
        if restart and keep:
            partial_file(name, budget).unlink(missing_ok=True)
        work = Slices(
            name,
            budget,
            chosen.full_settings(budget),
            keep,
            limit,
            chosen.planned(budget),
            chosen.maps,
        )
        print(f"{name} at {budget}: {chosen.question}", flush=True)
        values = chosen.run(work, **settings)
        result = Result(
            name, budget, values, chosen.full_settings(budget), work.provenance()
        )
        if keep:
            print(f"recorded in {save_result(result)}")
            partial_file(name, budget).unlink(missing_ok=True)
    return result


def load_result(name: str) -> Result:
    """The best recorded result of an experiment: gpu before cpu, never smoke. Raises
    ResultError when nothing is recorded.
    """
    choose("experiment", name, EXPERIMENTS)
    for budget in ("gpu", "cpu"):
        chosen = EXPERIMENTS[name]
        if budget in chosen.settings and (
            result := read_result(name, budget, chosen.full_settings(budget))
        ):
            return result
    raise ResultError(
        f"nothing is recorded of {name!r}; run: python -m dit_lite experiment "
        f"run {name} --budget cpu"
    )
