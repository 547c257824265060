"""`card`: a README for a trained model."""

import argparse

SUMMARY = "write a model card from the files of a run"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", required=True, metavar="DIR", help="the directory of a run"
    )
    parser.add_argument(
        "--held-out",
        metavar="DATA",
        help="held-out pictures of the same classes; the card reports the loss on them",
    )
    parser.add_argument(
        "--renew",
        action="store_true",
        help="update the measurements in an existing card and keep what you wrote",
    )


def run(options: argparse.Namespace) -> None:
    """Write README.md, the card of a model, next to its weights: sizes, data, training
    length, the scores in report.json and the picture samples.png. What only you can
    fill in is marked in capitals.
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
                f"{out} is already there; use --renew, which keeps what you wrote, or "
                "rename it first"
            )
        old = out.read_text()
    card = model_card(directory, options.held_out)
    write(out, (card if old is None else renewed(card, old, out)).encode())
    print(f"{out}: " + ("updated" if old else "fill in the parts in capitals"))
