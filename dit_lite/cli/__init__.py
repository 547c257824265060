"""The command line, one file per command: its `SUMMARY`, `add_flags(parser)`, and
`run(options)`, which imports what it needs when it is called.
"""

import argparse
import importlib
import typing
from collections.abc import Sequence

from .outcome import outcome

#: In the order in which --help lists them.
COMMANDS = ("train", "sample", "evaluate", "card", "bench", "data", "experiment")


class Parser(argparse.ArgumentParser):
    """Reports wrong use in one line on standard error, with exit status 2."""

    def error(self, message: str) -> typing.NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed, 2 wrong use, 130
    stopped by Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    return outcome(lambda: options.run(options), options.command)


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="dit_lite", description="Train, sample and measure Diffusion Transformers."
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )
    for name in COMMANDS:
        command = importlib.import_module(f".{name}", __name__)
        flags = commands.add_parser(
            name, help=command.SUMMARY, description=command.run.__doc__
        )
        command.add_flags(flags)
        flags.set_defaults(run=command.run)
    return parser
