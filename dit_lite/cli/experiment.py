"""`experiment`: the recorded results of the book."""

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
        help="run every experiment not yet recorded at this budget, cheapest first",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="S",
        help="stop within S seconds; the same command then continues",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="discard the parts that an earlier run finished",
    )
    parser.add_argument(
        "--archive",
        type=Path,
        metavar="TAR_GZ",
        help="file to pack the new results at this budget into afterwards",
    )


def run(options: argparse.Namespace) -> int:
    """List the experiments, with what is recorded and how long the rest would take;
    or run one, or all pending ones, and record the results under data/results.
    Finished parts are saved, so a run that was stopped can be continued.
    """
    from .. import lab

    if options.action == "list":
        lab.print_status()
        return 0
    if options.pending == (options.name is not None):
        raise ValueError(
            "experiment run needs either the name of an experiment, see `experiment "
            "list`, or --pending"
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
