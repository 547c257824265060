"""What is recorded, what is not, what recording it would cost, and running it."""

import contextlib
import math
import sys
import traceback
from dataclasses import dataclass

from ..config import ConfigError, choose
from .budget import BUDGETS, RECORDED, OutOfTime, TimeLimit, need_device
from .experiments import Experiment, all_experiments, run_experiment
from .finished_parts import changes, read_parts, tally
from .results import Result, ResultError, read_result


@dataclass(frozen=True)
class Status:
    """The status of an experiment at a budget."""

    name: str
    budget: str
    state: str  # recorded, stale, pending, "k of n parts", or unusable
    # taken by recording, or planned to finish it; None when unknown
    seconds: float | None
    # the hardware, the source of the plan, or what is wrong with the file
    note: str
    question: str

    @property
    def done(self) -> bool:
        return self.state == "recorded"

    @property
    def cost(self) -> str:
        return (
            "not known"
            if self.seconds is None
            else f"{self.seconds:.0f} s" + ("" if self.done else " planned")
        )


def all_status() -> list[Status]:
    """Every experiment at every recorded budget."""
    return [
        _status(one, budget)
        for one in all_experiments().values()
        for budget in RECORDED
        if budget in one.settings
    ]


def _status(chosen: Experiment, budget: str) -> Status:
    def is_(state: str, seconds: float | None, note: str) -> Status:
        return Status(chosen.name, budget, state, seconds, note, chosen.question)

    settings = chosen.full_settings(budget)
    try:
        result, finished = (
            read_result(chosen.name, budget, settings),
            read_parts(chosen.name, budget),
        )
    except ResultError as error:
        return is_("unusable", chosen.planned(budget), str(error))
    if result and not result.stale:
        return is_(
            "recorded", result.provenance["seconds"], result.provenance["hardware"]
        )
    seconds, note = _planned(chosen, budget, result)
    if finished and finished.parts and not changes(finished.settings, settings):
        done = len(finished.parts)
        left = seconds and max(0.0, seconds - finished.seconds)
        if finished.total:
            left = finished.seconds / done * (finished.total - done)
        return is_(
            tally(done, finished.total),
            left,
            finished.runs[-1]["provenance"]["hardware"],
        )
    return is_("stale" if result else "pending", seconds, note)


def _planned(
    chosen: Experiment, budget: str, stale: Result | None
) -> tuple[float | None, str]:
    """Seconds of a whole run and the source of that figure: declared, this budget with
    older settings, or another budget.
    """
    if budget in chosen.seconds:
        return chosen.seconds[budget], "declared"
    if stale:
        return stale.provenance[
            "seconds"
        ], f"with older settings on {stale.provenance['hardware']}"
    for other in RECORDED:
        if other != budget and other in chosen.settings:
            with contextlib.suppress(ResultError):
                if result := read_result(chosen.name, other):
                    return result.provenance["seconds"], f"as at {other}"
    return None, ""


def print_status() -> None:
    """Print `all_status` as a table."""
    rows = [
        (s.name, s.budget, s.state, s.cost, s.note, s.question) for s in all_status()
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(4)] + [24, 0]
    for row in rows:
        print(
            "  ".join(
                f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)
            ).rstrip()
        )


def run_pending(
    budget: str, limit: TimeLimit | None = None, restart: bool = False
) -> list[str]:
    """Run what is not recorded at `budget`, cheapest first, until the time is up;
    returns what went wrong, one line each.

    An experiment that fails does not stop the others. Raises ConfigError at smoke, and
    where the budget's device is missing.
    """
    choose("budget", budget, BUDGETS)
    if budget not in RECORDED:
        raise ConfigError(
            f"nothing is recorded at {budget}, so nothing is pending; choose "
            f"--budget {' or '.join(RECORDED)}"
        )
    need_device(budget)
    limit, failures = limit or TimeLimit(), []
    pending = [one for one in all_status() if one.budget == budget and not one.done]
    for one in sorted(
        pending, key=lambda one: math.inf if one.seconds is None else one.seconds
    ):
        try:
            if one.state == "unusable" and not restart:
                # it may come from a newer version: only a person may replace it
                raise ResultError(one.note)
            run_experiment(one.name, budget, limit=limit, restart=restart)
        except OutOfTime as stop:
            print(stop)
        except (ConfigError, ResultError) as error:
            failures.append(f"{one.name}: {error}")
        except Exception as error:
            traceback.print_exc()
            failures.append(f"{one.name}: {type(error).__name__}: {error}")
    if not pending:
        print(f"nothing is pending at {budget}")
    for line in failures:
        print(f"failed: {line}", file=sys.stderr)
    return failures
