"""The recorded results of the book, one file each, and the benchmarks."""

from .archive import archive_results, check_archive
from .averaging import averaging
from .bench_step import bench_step
from .bench_train import bench_train
from .bottleneck import bottleneck
from .chapters import chapters, cost
from .class_settled import class_settled
from .conditioning_race import conditioning_race
from .deep import deep
from .equal_ratios import equal_ratios
from .guidance_scale import guidance_scale
from .judges import judges
from .live import live
from .many_steps import many_steps
from .memorisation_check import memorisation_check
from .objectives import objectives
from .options import options
from .patch_sizes import patch_sizes
from .pending import Status, list_experiments, run_pending, status
from .pixel_order import pixel_order
from .positions import positions
from .quickstart import quickstart
from .record import BUDGETS, Result, ResultError, read_result
from .reports import reports
from .runner import EXPERIMENTS, Experiment, load_result, run_experiment
from .sampler_steps import sampler_steps
from .sampling import sampling
from .shipped import shipped
from .size_and_class import size_and_class
from .slices import OutOfTime, Slices, TimeLimit
from .spectra import spectra
from .three_readings import three_readings
from .two_averages import two_averages

#: `python -m dit_lite bench NAME`
BENCHES = {
    "quickstart": lambda options: run_experiment("quickstart", "cpu", save=False),
    "step": bench_step,
    "train": bench_train,
}

__all__ = [
    "BENCHES", "BUDGETS", "EXPERIMENTS", "Experiment", "OutOfTime", "Result",
    "ResultError", "Slices", "Status", "TimeLimit", "archive_results",
    "averaging", "bottleneck", "chapters", "check_archive", "class_settled",
    "conditioning_race", "cost", "deep", "equal_ratios", "guidance_scale", "judges",
    "list_experiments", "live", "load_result", "many_steps", "memorisation_check",
    "objectives", "options", "patch_sizes", "pixel_order", "positions", "quickstart",
    "read_result", "reports", "run_experiment", "run_pending", "sampler_steps",
    "sampling", "shipped", "size_and_class", "spectra", "status", "three_readings",
    "two_averages",
]  # fmt: skip
