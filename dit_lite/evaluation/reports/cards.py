"""The card of a model: what it is, what it has seen, how good it is, written from
the files of its run.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ...config import ConfigError, DiTConfig
from ...files.pretrained import origin_of
from ...training.checkpoint import load
from ...training.ema import reach
from ...training.run_directory import METRICS
from ..losses.label_penalty import label_penalty
from .comparison import of_its_kind
from .markdown import code, literal, plain

CARD, REPORT, GRID = "README.md", "report.json", "samples.png"
MOST_WORDS = 100  # that a card lists of a vocabulary
#: What dit_lite has written is between these; Markdown does not show them.
MARKS = "<!-- dit_lite: measured -->", "<!-- dit_lite: end of what is measured -->"


def model_card(directory: str | Path, held_out: str | None = None) -> str:
    """The card of the model in `directory`, as Markdown.

    It contains what config.json, metrics.jsonl and the weights say, the tables of
    report.json (`evaluate --out`) and the picture samples.png (`sample --out`) if they
    exist, and, in capitals, what only you can know. `held_out` is a data set or folder
    on which the loss is measured now, for each label given to the model, instead of the
    losses of the report. Raises FileNotFoundError or CheckpointError as `load`
    does, DataError as `load_data` does, and ReferenceError for pictures of another
    shape or other classes.
    """
    directory = Path(directory)
    model, origin = load(directory), origin_of(directory)
    c, parameters = model.config, sum(p.numel() for p in model.parameters())
    lines = [
        MARKS[0],
        f"# {plain(directory.resolve().name)}",
        f"{_kind(c)}: patch {c.patch_size} ({c.tokens} tokens), width {c.width}, "
        f"{c.depth} blocks, {c.heads} heads, {parameters:,} parameters.",
    ]
    if (directory / GRID).exists():
        row = {"label": "class", "caption": "caption"}.get(c.condition, "text")
        lines.append(f"![uncurated samples, one row per {row}]({GRID})")
    facts = []
    if c.condition == "label" and c.class_names:
        facts.append(f"- **Classes** {', '.join(map(plain, c.class_names))}.")
    if c.condition == "caption" and c.words:
        facts.append(_vocabulary(c.words[1:]))
    if origin:
        average = (
            (
                "weights averaged over about "
                f"{reach(origin.ema_decay, origin.steps):,.0f} steps"
            )
            if origin.ema_decay
            else "weights not averaged"
        )
        facts.append(
            f"- **Trained on** {code(origin.data)}, {origin.images_seen:,} images "
            f"seen, objective {c.objective} on the {c.path} path, {average}."
        )
    if (directory / METRICS).exists():
        facts.append(_training(directory / METRICS))
    lines.append("\n".join(facts))
    scores, losses = (
        _report(directory / REPORT) if (directory / REPORT).exists() else ([], [])
    )
    lines += scores or ["- **How good** the samples are: NOT MEASURED."]
    if held_out:
        penalty = label_penalty(
            model, of_its_kind(held_out, "test", model), of=held_out
        )
        losses = _losses(asdict(penalty))
    lines += losses
    lines.append(MARKS[1])
    lines.append(
        "- **Data** WHERE THE PICTURES COME FROM, WHO MADE THEM, AND WHETHER "
        "THEY MAY BE USED FOR THIS.\n"
        f"- **Use** {code(f'dit_lite.load({literal(directory.as_posix())})')}. It "
        "draws what its training pictures show, and nothing else.\n"
        "- **Licence** of the weights: CHOOSE ONE THAT THE PICTURES ALLOW."
    )
    return "\n\n".join(lines) + "\n"


def _kind(c: DiTConfig) -> str:
    """What the model makes, and from what."""
    what = f"latents of {code(c.autoencoder)}," if c.autoencoder else "images of"
    images = f"{what} {c.image_size}x{c.image_size}x{c.channels}"
    if c.condition == "caption":
        return (
            f"A caption-conditional Diffusion Transformer for {images}, from captions "
            f"of up to {c.caption_length} words out of {c.vocab_size - 1:,}"
        )
    if c.condition == "features":
        return (
            f"A text-conditional Diffusion Transformer for {images}, from the features "
            f"of a text encoder, up to {c.caption_length} tokens of width "
            f"{c.feature_width}"
        )
    return (
        f"A class-conditional Diffusion Transformer for {images} in {c.num_classes} "
        "classes"
    )


def _vocabulary(words: Sequence[str]) -> str:
    shown = ", ".join(map(plain, words[:MOST_WORDS]))
    more = len(words) - MOST_WORDS
    rest = f", and {more:,} more in config.json" if more > 0 else ""
    return f"- **Words** {shown}{rest}."


def _training(file: Path) -> str:
    try:
        last = json.loads(file.read_text().splitlines()[-1])
        return (
            f"- **Training** took {last['step']:,} steps and "
            f"{last['seconds']:,.0f} s; the last loss was {last['loss']:.4f}."
        )
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{file} holds no lines of metrics ({error!r}); restore the file of this "
            "run, or remove it"
        ) from None


def renewed(card: str, old: str, where: Path) -> str:
    """The `old` card with the measurements of the new `card`; what was written by hand,
    outside the two marks, stays. Raises ConfigError for a text without the marks.
    """
    begin, end = (old.find(mark) for mark in MARKS)
    if begin < 0 or end < begin:
        raise ConfigError(
            f"{where} lacks the marks {MARKS[0]} and {MARKS[1]} between which a card "
            "is updated; rename it, and write a new card"
        )
    measured = card[card.index(MARKS[0]) : card.index(MARKS[1])]
    return old[:begin] + measured + old[end:]


def _report(file: Path) -> tuple[list[str], list[str]]:
    """The rows of a report as a table, with what they were measured against, and its
    losses as another.
    """
    try:
        report = json.loads(file.read_text())
        rows = report["rows"]
        first, names = (
            rows[0],
            list(dict.fromkeys(name for row in rows for name in row["values"])),
        )
        table = [
            f"| | images | {' | '.join(map(plain, names))} |",
            f"|{'---|' * (len(names) + 2)}",
        ]
        for row in rows:
            values = (row["values"].get(name) for name in names)
            cells = [
                "-"
                if v is None
                else f"{v['value']:.4g} [{v['low']:.4g}, {v['high']:.4g}]"
                for v in values
            ]
            table.append(
                f"| {plain(row['row'])} | {row['samples']:,} | {' | '.join(cells)} |"
            )
        how = (
            f"guidance {first['guidance']:g}, {first['steps']} steps of "
            f"{plain(first['sampler'])}, {first['network_calls']:,} network calls "
            "an image"
        )
        against = (
            f"against {first['reference_count']:,} images of "
            f"{plain(first['reference'])} in the features of "
            f"{plain(first['extractor'])}"
        )
        losses = _losses(report["loss"]) if "loss" in report else []
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{file} is not a report ({error!r}); write it again with evaluate --out"
        ) from None
    return [
        (
            f"- **How good** {how}; {against}; 95 % intervals over samples. "
            f"{plain(first['note'])}"
        ).rstrip(),
        "\n".join(table),
    ], losses


def _losses(loss: dict) -> list[str]:
    """Losses by the label that the model was given, as a table."""
    rows = [
        f"| {plain(label)} | {mean:.4f} ± {error:.4f} |"
        for label, (mean, error) in loss["losses"].items()
    ]
    return [
        f"- **Loss** ({plain(loss['objective'])}) on {loss['images']:,} images of "
        f"{code(loss['of'])}, with standard errors:",
        "\n".join(["| label given | loss |", "|---|---|", *rows]),
    ]
