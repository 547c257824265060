"""A function in a process of its own, which may be killed: forked from a server that
has imported what is slow once.
"""

from __future__ import annotations

import multiprocessing
import os

from dit_lite.distributed.processes import PRELOAD


def forked(function, *args) -> multiprocessing.Process:
    """The process, begun; it has the environment of this one, and `exitcode`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=_run, args=(dict(os.environ), function, args))
    process.start()
    return process


def _run(environment: dict[str, str], function, args) -> None:
    os.environ.clear()
    os.environ.update(environment)
    function(*args)
