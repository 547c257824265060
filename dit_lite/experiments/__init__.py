"""The recorded results of the book, one file each, and the benchmarks."""

from .averaging import averaging
from .bench_step import bench_step
from .chapters import chapters, cost
from .live import live
from .noise_target import noise_target
from .objectives import objectives
from .quickstart import quickstart
from .record import BUDGETS, Result, ResultError, read_result
from .runner import EXPERIMENTS, Experiment, list_experiments, load_result, run_experiment, run_pending, status
from .sampling import sampling

#: `python -m dit_lite bench NAME`
BENCHES = {"quickstart": lambda options: run_experiment("quickstart", "cpu", save=False), "step": bench_step}

__all__ = [
    "BENCHES", "BUDGETS", "EXPERIMENTS", "Experiment", "Result", "ResultError", "averaging", "chapters", "cost", "list_experiments", "live",
    "load_result", "noise_target", "objectives", "quickstart", "read_result", "run_experiment", "run_pending", "sampling", "status",
]  # fmt: skip
