"""Ships a state of the run that trained `shapes`: its weights, their judged record, a
picture of samples and the card. From the top of a checkout:

    python -m dit_lite.experiments.cross_attention._ship runs/shapes
"""

import json
import sys
from pathlib import Path

from ...cli.grid import write_grid
from ...diffusion import sample
from ...files.environment import resource
from ...files.pretrained import CONFIG, WEIGHTS, directory_of, origin_of
from ...files.writing import write
from ...lab import Result, run_experiment
from ...lab.rows import Rows
from ...training import load
from ...training.run_directory import METRICS
from .shapes_model import ATTRIBUTES, GROUPS

COMMAND = (
    "python -m dit_lite train shapes --budget cpu --optimiser muon --lr 4e-3 "
    "--steps 16000 --save-every 250 --log-every 50 --out runs/shapes"
)
#: One row of the picture each; the last is a pair that training never shows.
CAPTIONS = (
    "a large red circle at the top left",
    "a small green heart in the centre on a dark background",
    "a striped blue cross on a light background",
    "a yellow square above a purple circle",
    "a small orange diamond left of a large blue triangle",
    "a red square",
)
COLUMNS = 8
TOGETHER = ("attributes", "caption")  # shown with their intervals
SHOWN = (*ATTRIBUTES, "attributes", "relation", "background", "number", "caption")

CARD = """# shapes

A Diffusion Transformer for captioned shapes of {size}x{size} pixels, conditioned on \
captions of at most {c.caption_length} of its {words} words by cross-attention, and on \
time by adaLN-Zero. P = {c.patch_size} (N = {c.tokens}), D = {c.width}, L = {c.depth}, \
h = {c.heads}, {parameters:,} parameters.

![uncurated samples, one row per caption](samples.png)

The picture is uncurated: seed 0, dpmpp_2m, 25 steps, guidance {guidance:g}. One \
row per caption: {captions}. The last pair of shape and colour never appears in \
training.

- **Trained by** `{command}`, taken at {seen:,} images ({steps:,} of its 16,000 \
steps): flow objective on the linear path, Muon, averaged weights, fp32. **On one or \
two processor cores, without a GPU**, in {hours:.1f} hours, alongside other work. To \
ship, measure and describe a later state of the same run: \
`python -m dit_lite.experiments.cross_attention._ship runs/shapes`.
- **Data** captioned shapes (`dit_lite/data/shapes/README.md`), drawn anew for every \
step, so no picture is seen twice; six of the 36 pairs of shape and colour are held out.
- **How good** {images:,} held-out captions per group, dpmpp_2m, {walk} steps, \
guidance {guidance:g}. `shapes-judge` checks every claim of the caption against the \
picture, with objects matched to the caption; "attributes" pools all claims about \
single objects, "everything" is the share of pictures in which no claim of the caption \
is wrong and no object is missing or extra. Percentages, with 95 % intervals for these \
two:

{table}

  The same by images seen ({few} captions per group for states other than the shipped \
one), first "attributes", then "everything":

{curve}

  The record is `data/results/shapes_model/cpu.json`.
- **Limitations** the judge names the nearest of six shapes and colours, even where a \
picture shows none of them. Captions outside the grammar of the data \
("three circles", "no square") are words in an order that the model has never seen.
- **Use** `dit_lite.load("shapes")`, \
`dit_lite.sample(model, ["a red circle above a blue square"])`. It draws coloured \
shapes, and nothing else.
- **Licence** of the weights: MIT.
"""


def ship(run: Path) -> None:
    """Put the averaged weights of a run directory, or of a copy of its config.json,
    model.safetensors and metrics.jsonl, into data/checkpoints/shapes, and measure and
    describe them there.
    """
    place = resource("data/checkpoints") / "shapes"
    load(run)  # raises if it is not a model, or damaged
    for name in (CONFIG, WEIGHTS):
        write(place / name, (run / name).read_bytes())
    record = run_experiment("shapes_model", "cpu", restart=True)
    model, guidance = load(place), record.settings["guidance"]
    captions = [caption for caption in CAPTIONS for _ in range(COLUMNS)]
    write_grid(
        sample(model, captions, steps=25, guidance=guidance, sampler="dpmpp_2m"),
        COLUMNS,
        place / "samples.png",
    )
    last = json.loads((run / METRICS).read_text().splitlines()[-1])
    write(place / "README.md", card(record, last["seconds"]).encode())


def card(record: Result, seconds: float) -> str:
    """The card of the shipped model, from its record; it was trained for `seconds`."""
    model, origin = load("shapes"), origin_of(directory_of("shapes"))
    settings, c = record.settings, model.config
    main = record.select(
        weights=record.values["shipped"], guidance=settings["guidance"]
    )
    return CARD.format(
        c=c,
        size=c.image_size,
        words=len(c.words) - 1,
        parameters=sum(p.numel() for p in model.parameters()),
        captions=", ".join(CAPTIONS),
        command=COMMAND,
        seen=origin.images_seen,
        steps=origin.steps,
        hours=seconds / 3600,
        images=settings["images"],
        few=settings["few"],
        walk=settings["steps"],
        guidance=settings["guidance"],
        table=table(main),
        curve=curve(record.select(guidance=settings["guidance"])),
    )


def table(rows: Rows) -> str:
    """One line for each group of captions, one column for each claim."""
    heads = ["everything" if name == "caption" else name for name in SHOWN]
    lines = [["captions of", *heads], ["---"] * (len(heads) + 1)]
    for group in GROUPS:
        found = {row["name"]: row for row in rows.select(group=group)}
        lines.append(
            [group, *(percent(found.get(name), name in TOGETHER) for name in SHOWN)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def curve(rows: Rows) -> str:
    """One line for each state, one column for each group of captions."""
    lines = [["images seen", *GROUPS], ["---:"] + ["---"] * len(GROUPS)]
    for seen in sorted(rows.distinct("images_seen")):
        line = [f"{seen:,}"]
        for group in GROUPS:
            found = {
                row["name"]: row for row in rows.select(images_seen=seen, group=group)
            }
            line.append(f"{percent(found['attributes'])}, {percent(found['caption'])}")
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(row: dict | None, interval: bool = False) -> str:
    if row is None:
        return ""
    accuracy, low, high = (100 * row[key] for key in ("accuracy", "low", "high"))
    return f"{accuracy:.1f}" + (f" ({low:.1f} to {high:.1f})" if interval else "")


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
