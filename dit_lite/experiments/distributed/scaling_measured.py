"""Weak and strong scaling on the cores of this machine, predicted and measured."""

import statistics
import time

from ...distributed.processes import run
from ...distributed.time_model import Link, fit_link, step_seconds
from ...distributed.trainer import ParallelTrainer
from ...lab import Parts, experiment
from ._runs import run_config, trainer
from .all_reduce_time import sums

#: Sizes in bytes of the sums that a link is fitted to.
SIZES = [1 << 12, 1 << 18, 1 << 24]


@experiment(
    "Do the compute time and a fitted link predict the time of a step on p processes?",
    seconds=dict(cpu=180.0),
    maps=2,
    smoke=dict(ranks=[1, 2], batch=8, widths=[16], steps=3, repeats=3),
    cpu=dict(ranks=[1, 2], batch=64, widths=[64, 192], steps=40, repeats=10),
)
def scaling_measured(
    parts: Parts, ranks: list[int], batch: int, widths: list[int], steps: int,
    repeats: int,
) -> dict:  # fmt: skip
    """Time data-parallel steps with the batch fixed ("strong") and growing with the
    number of ranks ("weak").

    `predicted` is the step time of one process with the same number of images plus a
    ring on the fitted link with no overlap; `bound` assumes all the overlap that is
    possible. This is a timing: the machine must be idle, and have as many cores as
    ranks.
    """
    links = parts.map(fitted, [dict(ranks=p) for p in ranks if p > 1], repeats=repeats)
    links = {link["ranks"]: link for link in links}
    cases = [
        dict(width=width, ranks=p, images=batch * (p if kind == "weak" else 1),
             kind=kind)
        for width in widths for p in ranks for kind in ("strong", "weak")
    ]  # fmt: skip
    alone = [
        dict(width=width, ranks=1, images=batch // p, kind="share")
        for width in widths for p in ranks
    ]  # fmt: skip
    rows = parts.map(one_size, alone + cases, steps=steps)
    computing = {
        (row["width"], row["images"]): row["seconds"]
        for row in rows
        if row["kind"] == "share"
    }
    found = [row for row in rows if row["kind"] != "share"]
    for row in found:
        p = row["ranks"]
        compute = computing[row["width"], row["images"] // p]
        link = links.get(p)
        sent = 0.0
        if link:
            ring = Link(link["alpha"], link["bandwidth"])
            sent = ring.ring(row["bytes"], p)
        row["predicted"] = step_seconds(compute, sent, overlap=0.0)
        row["bound"] = step_seconds(compute, sent, overlap=1.0)
    return {"rows": found, "links": list(links.values())}


def fitted(ranks: int, repeats: int) -> dict:
    """The link that explains sums of a few sizes."""
    rows = run(ranks, sums, SIZES, repeats)[0]
    link = fit_link(SIZES, [ranks] * len(rows), [row["seconds"] for row in rows])
    return {"ranks": ranks, "alpha": link.alpha, "bandwidth": link.bandwidth}


def one_size(width: int, ranks: int, images: int, kind: str, steps: int) -> dict:
    """The median step of one run."""
    seconds, parameters = run(ranks, steps_of, width, images, steps, timeout=600)[0]
    return dict(
        width=width, ranks=ranks, images=images, kind=kind, seconds=seconds,
        bytes=4 * parameters,
    )  # fmt: skip


def steps_of(width: int, images: int, steps: int) -> tuple[float, int]:
    """The median seconds of a step on this rank, and the model's parameters."""
    config = run_config(
        steps + 3, batch_size=images, changes=dict(width=width, depth=4, heads=4)
    )
    one = trainer(ParallelTrainer, config)
    seconds = []
    for _ in range(steps + 3):
        began = time.perf_counter()
        one.train_step()
        seconds.append(time.perf_counter() - began)
    parameters = sum(p.numel() for p in one.model.parameters())
    return statistics.median(seconds[3:]), parameters
