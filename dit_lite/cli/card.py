"""`card`: a README for a trained model."""

from __future__ import annotations

import argparse

SUMMARY = "write the card of a model from the files of its run"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", required=True, metavar="DIR", help="the directory of a run"
    )
    parser.add_argument(
        "--held-out",
        metavar="DATA",
        help="held-out pictures of the same classes: the loss on them goes into the "
        "card",
    )
    parser.add_argument(
        "--renew",
        action="store_true",
        help="write what was measured anew into a card that is there, and keep what "
        "you wrote",
    )


def run(options: argparse.Namespace) -> None:
    """Write README.md, the card of a model, beside its weights: sizes, data and
    length of the training, scores of report.json, picture samples.png. What only you
    can know stands there in capitals.
    """
    from ..evaluation.reports.cards import CARD, model_card, renewed
    from ..files.pretrained import directory_of
    from ..files.writing import write

    directory = directory_of(options.checkpoint)
    out = directory / CARD
    old = None
    if out.exists():
        if not options.renew:
            raise ValueError(
                f"{out} is already there; rename it first, so that nothing that you "
                "wrote is lost, or use --renew, which keeps it"
            )
        old = out.read_text()
    card = model_card(directory, options.held_out)
    write(out, (card if old is None else renewed(card, old, out)).encode())
    print(f"{out}: " + ("renewed" if old else "fill in what stands in capitals"))
