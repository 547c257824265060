"""The recorded results of the book, one file each, and the benchmarks."""

from .archive import archive_results, check_archive
from .averaging import averaging
from .bench_step import bench_step
from .chapters import chapters, cost
from .live import live
from .noise_target import noise_target
from .objectives import objectives
from .pending import Status, list_experiments, run_pending, status
from .quickstart import quickstart
from .record import BUDGETS, Result, ResultError, read_result
from .runner import EXPERIMENTS, Experiment, load_result, run_experiment
from .sampling import sampling
from .slices import OutOfTime, Slices, TimeLimit

#: `python -m dit_lite bench NAME`
BENCHES = {"quickstart": lambda options: run_experiment("quickstart", "cpu", save=False), "step": bench_step}

__all__ = [
    "BENCHES", "BUDGETS", "EXPERIMENTS", "Experiment", "OutOfTime", "Result", "ResultError", "Slices", "Status", "TimeLimit", "archive_results",
    "averaging", "chapters", "check_archive", "cost", "list_experiments", "live", "load_result", "noise_target", "objectives", "quickstart",
    "read_result", "run_experiment", "run_pending", "sampling", "status",
]  # fmt: skip
