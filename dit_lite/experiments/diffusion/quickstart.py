"""The promise of the front page: one command, about a minute, digits that a judge
can read.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm.auto import tqdm

from ...evaluation import evaluate_digits
from ...lab import Parts, experiment, grid
from ...training import load


@experiment(
    "How long does `train digits` take, and how good is the resulting model?",
    recipe="digits",
    smoke=dict(seeds=[0], steps=8, per_class=6),
    cpu=dict(seeds=[0, 1, 2], steps=None, per_class=100),
    gpu=dict(seeds=[0, 1, 2], steps=None, per_class=100),
)
def quickstart(parts: Parts, seeds: list[int], **settings) -> dict:
    """Train by the command line as a user does, timing the whole process, and score
    the saved model without and with guidance.
    """
    return {"rows": parts.rows(one_seed, grid(seed=seeds), **settings)}


def one_seed(seed: int, steps: int | None, per_class: int) -> list[dict]:
    """One run of the command and its two scores, which are also printed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        command = [
            sys.executable,
            "-m",
            "dit_lite",
            "train",
            "digits",
            "--seed",
            str(seed),
            "--out",
            out,
        ]
        began = time.perf_counter()
        subprocess.run(command + (["--steps", str(steps)] if steps else []), check=True)
        seconds = time.perf_counter() - began
        model = load(out)
        for guidance in (1.0, 1.5):
            report = evaluate_digits(model, per_class, guidance, steps=25, seed=seed)
            r = {
                "seconds": round(seconds, 1),
                "parameters": sum(p.numel() for p in model.parameters()),
            } | report.to_dict()
            rows.append(r)
            tqdm.write(
                f"seed {seed}: {r['seconds']:.1f} s; guidance {guidance}: "
                f"{r['accuracy']:.1%} judged correct, worst class "
                f"{r['worst_class']:.0%}, precision {r['precision_share']:.2f} "
                f"and recall {r['recall_share']:.2f} of real against real"
            )
    return rows
