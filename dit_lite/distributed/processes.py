"""Running a function in several processes on this machine: what tests, experiments and
chapters use where `torchrun` would be too much.

A server process does the slow imports once, and every rank is forked from it, so a call
with two ranks takes half a second and the parent's threads do no harm.
"""

import datetime
import faulthandler
import io
import multiprocessing
import tempfile
import traceback
import warnings
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

PRELOAD = [
    "torch.distributed.fsdp",
    "torch.distributed.tensor.parallel",
    "torch.distributed.pipelining",
    "dit_lite",
    "dit_lite.training.loop",
]


class RankError(RuntimeError):
    """An error raised by one rank, with its traceback."""


def run(
    world: int, function, *args, timeout: float = 120, group: bool = True
) -> list[Any]:
    """Run function(*args) in `world` processes of one group; returns the results by
    rank. Without `group` the processes are independent.

    `function` must be in a module, not in a notebook. Every rank has one thread; ranks
    communicate through gloo. Raises RankError for the first rank that fails, or when
    none answers within `timeout` seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with tempfile.TemporaryDirectory() as directory:
        here, there = zip(
            *(context.Pipe(duplex=False) for _ in range(world)), strict=True
        )
        ranks = [
            context.Process(
                target=_rank,
                args=(there[i], Path(directory), i, world, group, function, args),
            )
            for i in range(world)
        ]
        try:
            for rank in ranks:
                rank.start()
            for end in there:
                end.close()
            return _collect(list(here), ranks, Path(directory), timeout)
        finally:
            for rank in ranks:
                rank.kill()
                rank.join()


def _collect(
    ends: list[Connection], ranks: list, directory: Path, timeout: float
) -> list[Any]:
    results: dict[int, Any] = {}
    while len(results) < len(ends):
        ready = wait([e for i, e in enumerate(ends) if i not in results], timeout)
        if not ready:
            raise RankError(f"no rank answered within {timeout} s")
        for end in ready:
            i = ends.index(end)
            try:
                good, payload = end.recv()
            except EOFError:
                ranks[i].join(5)  # below zero: the signal that ended it
                code, stack = ranks[i].exitcode, directory / f"stack-{i}"
                raise RankError(
                    f"rank {i} ended without a result, exit code {code}\n"
                    + (stack.read_text() if stack.exists() else "")
                ) from None
            if not good:
                raise RankError(f"rank {i}:\n{payload}")
            results[i] = torch.load(io.BytesIO(payload), weights_only=False)
    return [results[i] for i in range(len(ends))]


def _rank(
    end: Connection, directory: Path, rank: int, world: int, group: bool, function, args
) -> None:
    torch.set_num_threads(1)
    # where a crash in native code leaves its stack
    faulthandler.enable((directory / f"stack-{rank}").open("w"))
    # torch's warnings about itself are irrelevant to what is run
    warnings.simplefilter("ignore")
    try:
        if group:
            dist.init_process_group(
                "gloo",
                init_method=f"file://{directory / 'store'}",
                rank=rank,
                world_size=world,
                timeout=datetime.timedelta(seconds=60),
            )
        payload = io.BytesIO()
        torch.save(function(*args), payload)
        end.send((True, payload.getvalue()))
        if group:
            dist.barrier()
    except BaseException:
        end.send((False, traceback.format_exc()))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
