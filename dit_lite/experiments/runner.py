"""Running an experiment at a budget, and reading back the best that is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..config import PRESETS, RECIPES, ConfigError, TrainConfig, choose
from .record import BUDGETS, Result, ResultError, provenance, read_result, save_result


@dataclass(frozen=True)
class Experiment:
    """One recorded result of the book: the question, how it is answered, and the settings (keyword arguments of `run`) at each budget."""

    name: str
    question: str
    run: Callable[..., dict]
    settings: dict[str, dict]
    recipe: str | None = None  # the data set whose training recipe it follows

    def full_settings(self, budget: str) -> dict:
        """The settings at a budget together with the recipe they build on, as recorded: a changed recipe makes a result stale."""
        recipe = TrainConfig(data=self.recipe).to_dict() | {"model": PRESETS[RECIPES[self.recipe]["preset"]]} if self.recipe else None
        return self.settings[budget] | ({"recipe": recipe} if recipe else {})


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(question: str, recipe: str | None = None, **settings: dict) -> Callable:
    """Register a function as the experiment of its name; `settings` are its keyword arguments at smoke, cpu and gpu."""

    def register(run: Callable[..., dict]) -> Callable[..., dict]:
        EXPERIMENTS[run.__name__] = Experiment(run.__name__, question, run, settings, recipe)
        return run

    return register


def find(name: str, budget: str) -> tuple[Experiment, dict]:
    """An experiment and its settings at a budget; raises ConfigError for names that do not exist."""
    choose("experiment", name, EXPERIMENTS)
    choose("budget", budget, BUDGETS)
    if budget not in EXPERIMENTS[name].settings:
        raise ConfigError(f"experiment {name!r} has no budget {budget!r}; choose one of: {', '.join(EXPERIMENTS[name].settings)}")
    return EXPERIMENTS[name], EXPERIMENTS[name].settings[budget]


def run_experiment(name: str, budget: str, save: bool = True) -> Result:
    """Run an experiment and record it under data/results (at smoke nothing is recorded). Raises ConfigError for an unknown one."""
    chosen, settings = find(name, budget)
    if budget == "gpu" and not torch.cuda.is_available():
        raise ConfigError("budget='gpu' needs a CUDA device, and there is none; choose cpu or smoke")
    print(f"{name} at {budget}: {chosen.question}", flush=True)
    began = time.perf_counter()
    values = chosen.run(**settings)
    result = Result(name, budget, values, chosen.full_settings(budget), provenance(time.perf_counter() - began, "cuda" if budget == "gpu" else "cpu"))
    if save and budget != "smoke":
        print(f"recorded in {save_result(result)}")
    return result


def load_result(name: str) -> Result:
    """The best recorded result of an experiment: gpu before cpu, never smoke. Raises ResultError when nothing is recorded."""
    choose("experiment", name, EXPERIMENTS)
    for budget in ("gpu", "cpu"):
        chosen = EXPERIMENTS[name]
        if budget in chosen.settings and (result := read_result(name, budget, chosen.full_settings(budget))):
            return result
    raise ResultError(f"nothing is recorded of {name!r}; run: python -m dit_lite experiment run {name} --budget cpu")


def status() -> list[tuple[str, str, str, str]]:
    """Name, budget, state (recorded, stale, pending) and cost of every experiment at every budget that is recorded."""
    rows = []
    for name, chosen in EXPERIMENTS.items():
        for budget in BUDGETS[1:]:
            if budget in chosen.settings:
                result = read_result(name, budget, chosen.full_settings(budget))
                state = "pending" if result is None else "stale" if result.stale else "recorded"
                rows.append((name, budget, state, f"{result.provenance['seconds']:.0f} s on {result.provenance['hardware']}" if result else ""))
    return rows


def list_experiments() -> None:
    """Print `status` as a table."""
    for name, budget, state, cost in status():
        print(f"{name:16} {budget:5} {state:9} {cost}")


def run_pending(budget: str) -> None:
    """Run every experiment that is pending or stale at `budget`."""
    for name, at, state, _ in status():
        if at == budget and state != "recorded":
            run_experiment(name, budget)
