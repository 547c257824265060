"""Running an experiment at a budget, and reading back the best that is recorded."""

import contextlib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

from ..config import CPU, PRESETS, RECIPES, ConfigError, TrainConfig, choose
from .budget import BUDGETS, TimeLimit, device_of, need_device, on_device
from .finished_parts import alone, parts_file
from .parts import Parts
from .provenance import hardware
from .results import Result, ResultError, read_result, save_result


@dataclass(frozen=True)
class Experiment:
    """One recorded result of the book: the question, the function that answers it, and
    the settings (keyword arguments of `run`) at each budget.
    """

    name: str
    question: str
    run: Callable[..., dict]  # of the Parts and the settings
    settings: dict[str, dict]
    recipe: str | None = None  # the data set whose training recipe it follows
    # planned at each budget, until a record says better
    seconds: dict[str, float] = field(default_factory=dict)
    maps: int = 1  # how many times `run` calls Parts.map

    def full_settings(self, budget: str) -> dict:
        """The settings at a budget together with their recipe, as recorded: a changed
        recipe makes a result stale.
        """
        if self.recipe is None:
            return self.settings[budget]
        recipe = TrainConfig(data=self.recipe)
        # what GPUs prefer differs: the provenance records it
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


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name: those registered so far, and those in the files under
    dit_lite/experiments.
    """
    room = importlib.import_module("..experiments", __package__)
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)
    return EXPERIMENTS


def experiment(
    question: str,
    recipe: str | None = None,
    seconds: dict[str, float] | None = None,
    maps: int = 1,
    **settings: dict,
) -> Callable:
    """Register a function of `Parts` as the experiment with the function's name;
    `settings` are its other arguments at smoke, cpu and gpu.

    `recipe` names the data set whose training recipe it follows, `seconds` the expected
    time at a budget where nothing is recorded, `maps` how many times it calls
    `Parts.map`:

        @experiment("Do averaged weights help?", recipe="digits", smoke=dict(seeds=[0],
        steps=5), cpu=dict(seeds=[0, 1, 2], steps=None))
        def averaged(parts: Parts, seeds: list[int], steps: int | None) -> dict:
            return {"rows": parts.map(one_run, [dict(seed=seed) for seed in seeds],
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
    choose("experiment", name, experiments := all_experiments())
    choose("budget", budget, BUDGETS)
    settings = experiments[name].settings
    if budget not in settings:
        raise ConfigError(
            f"experiment {name!r} has no budget {budget!r}; choose one of: "
            f"{', '.join(settings)}"
        )
    return experiments[name], settings[budget]


def run_experiment(
    name: str,
    budget: str,
    save: bool = True,
    limit: TimeLimit | None = None,
    restart: bool = False,
) -> Result:
    """Run an experiment, or its unfinished parts, and record it under data/results
    (nothing is recorded at smoke).

    Everything runs on the budget's device. Parts that an earlier run finished are read
    from disk, unless `restart`. Raises OutOfTime when `limit` ends it early,
    ConfigError for an unknown experiment, a limit shorter than one part, or an
    experiment that another process is running, ResultError when the finished parts have
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
            parts_file(name, budget).unlink(missing_ok=True)
        parts = Parts(
            name,
            budget,
            chosen.full_settings(budget),
            keep,
            limit,
            chosen.planned(budget),
            chosen.maps,
        )
        print(f"{name} at {budget}: {chosen.question}", flush=True)
        values = chosen.run(parts, **settings)
        result = Result(
            name, budget, values, chosen.full_settings(budget), parts.provenance()
        )
        if keep:
            print(f"recorded in {save_result(result)}")
            parts_file(name, budget).unlink(missing_ok=True)
    return result


def load_result(name: str) -> Result:
    """The best recorded result of an experiment: gpu before cpu, never smoke. Raises
    ResultError when nothing is recorded.
    """
    choose("experiment", name, experiments := all_experiments())
    chosen = experiments[name]
    for budget in ("gpu", "cpu"):
        if budget in chosen.settings and (
            result := read_result(name, budget, chosen.full_settings(budget))
        ):
            return result
    raise ResultError(
        f"nothing is recorded for {name!r}; run: python -m dit_lite experiment run "
        f"{name} --budget cpu"
    )
