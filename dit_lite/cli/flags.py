"""Flags that several commands share, and those made from the fields of a
configuration.
"""

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence

from ..config import CHOICES, RECIPE_FIELDS
from ..config.sampling import GUIDANCE, SAMPLER, STEPS

#: Placeholder and help text of a flag, where they differ from those of its field.
METAVARS = {
    "out": "DIR",
    "init_from": "NAME_OR_DIR",
    "warmup": "STEPS",
    "save_every": "STEPS",
    "log_every": "STEPS",
    "label_dropout": "SHARE",
}
HELP = {"out": "directory of the run (default: runs/DATA)"}
#: What decides a field that is not given.
DECIDED_BY = dict.fromkeys(RECIPE_FIELDS, "data set") | {"budget": "device"}


def add_fields(
    parser,
    config: type,
    skip: Sequence[str] = (),
    only: Sequence[str] = (),
    unset: bool = False,
) -> None:
    """Add a flag for each field of a configuration. With `unset`, a flag that is not
    given sets no attribute.
    """
    kinds = typing.get_type_hints(config)
    for f in dataclasses.fields(config):
        if f.name in skip or (only and f.name not in only):
            continue
        flag, kind, text = (
            "--" + f.name.replace("_", "-"),
            _kind(kinds[f.name]),
            f.metadata["help"],
        )
        default = None if f.name in DECIDED_BY else f.default
        shown = f"by {DECIDED_BY[f.name]}" if f.name in DECIDED_BY else default
        keyword = {"default": argparse.SUPPRESS} if unset else {"default": default}
        metavar = METAVARS.get(f.name, f.name.split("_")[-1].upper())
        help_text = HELP.get(
            f.name, text if unset or shown is None else f"{text} (default: {shown})"
        )
        # --flag, --no-flag, or as the device prefers
        if kind is bool and f.default is None:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, help=text, **keyword
            )
        elif kind is bool:
            parser.add_argument(flag, action="store_true", help=text, **keyword)
        else:
            names = CHOICES.get(f.name)
            help_text += f"; one of {', '.join(names)}" if names else ""
            parser.add_argument(
                flag, type=kind, metavar=metavar, help=help_text, **keyword
            )


def _kind(annotation) -> type:
    options = [t for t in typing.get_args(annotation) if t is not types.NoneType]
    return options[0] if options else annotation


def add_sampling(parser) -> None:
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="NAME_OR_DIR",
        help="a shipped model, such as digits, or the directory of a run",
    )
    parser.add_argument(
        "--guidance",
        type=float,
        default=GUIDANCE,
        metavar="W",
        help=f"guidance weight; 1 means no guidance (default: {GUIDANCE})",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=STEPS,
        metavar="S",
        help=f"number of sampling steps (default: {STEPS})",
    )
    parser.add_argument(
        "--sampler",
        default=SAMPLER,
        metavar="NAME",
        help=f"one of {', '.join(CHOICES['sampler'])} (default: {SAMPLER})",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the noise (default: 0)"
    )
