"""The quickstart on this machine, without comparison or record."""

import argparse

from ..lab import run_experiment


def run(options: argparse.Namespace) -> None:
    """Train the digits model from the command line, as a reader would, and score it."""
    run_experiment("quickstart", "cpu", save=False)
