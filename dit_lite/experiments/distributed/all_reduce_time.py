"""How long a sum over processes takes on this machine, by size and number of processes,
and the latency and bandwidth that explain it.
"""

import time

import torch
import torch.distributed as dist

from ...distributed.processes import run
from ...distributed.time_model import fit_link
from ...lab import Parts, experiment


@experiment(
    "Does a ring with latency alpha and bandwidth beta explain the time of a sum?",
    seconds=dict(cpu=60.0),
    smoke=dict(ranks=[2], sizes=[1 << 10, 1 << 24], repeats=3),
    cpu=dict(ranks=[2, 4], sizes=[1 << k for k in range(10, 27, 2)], repeats=15),
)
def all_reduce_time(
    parts: Parts, ranks: list[int], sizes: list[int], repeats: int
) -> dict:
    """Time `torch.distributed.all_reduce` for each size in bytes and number of ranks.

    `rows` have the median `seconds` and the spread of the middle half, `fits` the link
    that explains the medians for each number of ranks. This is a timing: the machine
    must be idle.
    """
    found = parts.map(
        times, [dict(ranks=p) for p in ranks], sizes=sizes, repeats=repeats
    )
    rows = [row for part in found for row in part["rows"]]
    fits = []
    for p in ranks:
        own = [row for row in rows if row["ranks"] == p]
        link = fit_link(
            [row["bytes"] for row in own],
            [p] * len(own),
            [row["seconds"] for row in own],
        )
        fits.append({"ranks": p, "alpha": link.alpha, "bandwidth": link.bandwidth})
    return {"rows": rows, "fits": fits}


def times(ranks: int, sizes: list[int], repeats: int) -> dict:
    """The times for one number of ranks, in one launch."""
    return {"rows": run(ranks, sums, sizes, repeats, timeout=600)[0]}


def sums(sizes: list[int], repeats: int) -> list[dict]:
    """What this rank measures; all ranks start each repeat together."""
    rows = []
    for size in sizes:
        tensor, seconds = torch.zeros(size // 4), []
        for _ in range(repeats + 2):
            dist.barrier()
            began = time.perf_counter()
            dist.all_reduce(tensor)
            seconds.append(time.perf_counter() - began)
        kept = torch.tensor(seconds[2:], dtype=torch.float64)  # two to warm up
        low, middle, high = kept.quantile(
            torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
        ).tolist()
        rows.append(
            dict(ranks=dist.get_world_size(), bytes=size, seconds=middle, low=low,
                 high=high)
        )  # fmt: skip
    return rows
