"""`experiment`: the recorded results of the book."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "list or run the recorded experiments of the book"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "run"))
    parser.add_argument("name", nargs="?", help="the experiment to run")
    parser.add_argument(
        "--budget",
        choices=("smoke", "cpu", "gpu"),
        default="smoke",
        help="how much time it may take (default: smoke)",
    )
    parser.add_argument(
        "--pending",
        action="store_true",
        help="run all that is not yet recorded at this budget, the cheapest first",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="S",
        help="stop before S seconds are over; the same command again continues",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="forget the parts that an earlier run finished",
    )
    parser.add_argument(
        "--archive",
        type=Path,
        metavar="TAR_GZ",
        help="afterwards pack the new results at this budget into one file",
    )


def run(options: argparse.Namespace) -> int:
    """List the experiments, what is recorded of them and what the others would cost;
    or run one, or all that are pending, and record them under data/results. Finished
    parts are kept, so that a run that was stopped continues.
    """
    from .. import lab

    if options.action == "list":
        lab.print_status()
        return 0
    if options.pending == (options.name is not None):
        raise ValueError(
            "experiment run needs the name of an experiment, see `experiment "
            "list`, or --pending, and not both"
        )
    if options.archive:
        lab.check_archive(options.archive, options.budget)
    limit = (
        lab.TimeLimit()
        if options.time_limit is None
        else lab.TimeLimit(options.time_limit)
    )
    try:
        if options.pending:
            return 1 if lab.run_pending(options.budget, limit, options.restart) else 0
        lab.run_experiment(
            options.name, options.budget, limit=limit, restart=options.restart
        )
    except lab.OutOfTime as stop:
        print(stop)
    finally:  # what is finished is packed also after Ctrl-C
        if options.archive:
            names = lab.archive_results(options.archive, options.budget)
            print(
                f"{options.archive}: {', '.join(names)}"
                if names
                else f"nothing new at {options.budget}, so no {options.archive}"
            )
    return 0
