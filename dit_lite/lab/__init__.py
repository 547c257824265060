"""The engine behind recorded results: experiments, their parts, and their records."""

from .archive import archive_results, check_archive
from .budget import BUDGETS, OutOfTime, TimeLimit, at_budget
from .chapter_cost import chapter_cost
from .experiments import (
    EXPERIMENTS,
    Experiment,
    all_experiments,
    experiment,
    load_result,
    run_experiment,
)
from .parts import Parts, grid
from .results import Result, ResultError, read_result
from .rows import Rows
from .status import Status, all_status, print_status, run_pending

__all__ = [
    "BUDGETS", "EXPERIMENTS", "Experiment", "OutOfTime", "Parts", "Result",
    "ResultError", "Rows", "Status", "TimeLimit", "all_experiments", "all_status",
    "archive_results", "at_budget", "chapter_cost", "check_archive", "experiment",
    "grid", "load_result", "print_status", "read_result", "run_experiment",
    "run_pending",
]  # fmt: skip
