"""Many processes: joining the ones that torchrun started, and starting torchrun from
Python.
"""

import contextlib
import datetime
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from ..config import ConfigError
from ..training.precision import automatic

#: How long ranks wait for each other before a run is aborted, in seconds; the
#: environment variable changes it.
WAIT, WAIT_VARIABLE = 600, "DIT_LITE_TIMEOUT"


class LaunchError(RuntimeError):
    """Processes that could not be started, or ended with an error; the message has
    their last output.
    """


def world_size() -> int:
    """How many processes torchrun started, including this one; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among them."""
    return int(os.environ.get("RANK", "0"))


def waiting_time() -> float:
    """Seconds that ranks wait for each other."""
    return float(os.environ.get(WAIT_VARIABLE, WAIT))


def local_device(name: str) -> str:
    """This process's device where `name` is requested: one GPU each. Raises ConfigError
    when there are fewer GPUs than processes here.
    """
    if (automatic() if name == "auto" else name) != "cuda":
        return name
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if here > max(gpus, 1):
        raise ConfigError(
            f"{here} processes on this machine and {gpus} GPUs; start at most {gpus} "
            f"(torchrun --nproc-per-node {max(gpus, 1)}), or use --device cpu"
        )
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[dist.Store | None]:
    """Inside, this process belongs to the group that torchrun describes, or is alone in
    a group without torchrun. Yields a store for everything but training.

    Every attempt of an elastic job has its own keys in the store, which outlives the
    processes: ranks that find the addresses of dead processes wait forever.
    """
    if dist.is_initialized():
        yield None
        return
    # twice as long as a watch waits, whose report says more
    wait = datetime.timedelta(seconds=2 * waiting_time())
    backend = "nccl" if device.type == "cuda" else "gloo"
    beside = None
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if "RANK" in os.environ:
        store, number, world = next(rendezvous("env://", timeout=wait))
        attempt = f"attempt{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
        store = dist.PrefixStore(attempt, store)
        # a connection of its own: another thread uses it
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        beside = dist.PrefixStore(
            f"{attempt}/beside", dist.TCPStore(*address, is_master=False, timeout=wait)
        )
    else:
        store, number, world = dist.HashStore(), 0, 1
    dist.init_process_group(
        backend, store=store, rank=number, world_size=world, timeout=wait
    )
    try:
        yield beside
    finally:
        dist.destroy_process_group()


def if_several(device: torch.device) -> contextlib.AbstractContextManager:
    """`joined` where torchrun started several processes, else nothing."""
    return joined(device) if world_size() > 1 else contextlib.nullcontext()


def together(check: Callable[[], object]) -> object:
    """check() on every rank. If it fails on any, all raise the first failing rank's
    error, so that no rank is left waiting for one that has exited.
    """
    try:
        result, error = check(), None
    except (ValueError, TypeError, FileNotFoundError) as raised:
        result, error = None, raised
    errors: list = [None] * dist.get_world_size()
    dist.all_gather_object(errors, error)
    for error in errors:
        if error is not None:
            raise everywhere(error)
    return result


def everywhere(error: Exception) -> Exception:
    """Mark an error that all ranks raise, so that only one of them prints it."""
    error.everywhere = True
    return error


def same_everywhere(values: dict) -> None:
    """Raise ConfigError, on every rank, for a setting that differs between ranks."""
    all_values: list = [None] * dist.get_world_size()
    dist.all_gather_object(all_values, values)
    for number, other in enumerate(all_values):
        for name in values:
            if other[name] != all_values[0][name]:
                raise everywhere(
                    ConfigError(
                        f"{name}={other[name]!r} on rank {number} and "
                        f"{all_values[0][name]!r} on rank 0; start every rank with the "
                        "same command"
                    )
                )


#: torchrun's messages when it cannot start, and what they mean.
KNOWN = {
    r"EADDRINUSE|address already in use": (
        "the port is in use; omit --master-port, or choose another"
    ),
    r"RendezvousTimeoutError|RendezvousConnectionError": (
        "the machines did not find each other; check --rdzv-endpoint and that all were "
        "started"
    ),
}
#: Lines without information for the reader.
NOISE = re.compile(
    r"^\s*$|^\*+$|OMP_NUM_THREADS|Setting OMP|^W\d{4}|^\[W\d|socket\.cpp|Redirects are"
)


def run_ranks(
    arguments: Sequence[str],
    ranks: int = 2,
    *,
    restarts: int = 0,
    torchrun: Sequence[str] = (),
    show: Callable[[str], object] | None = print,
    environment: dict[str, str] | None = None,
    timeout: float | None = None,
) -> list[str]:
    """`torchrun --nproc-per-node RANKS -m dit_lite ARGUMENTS` as a subprocess; its
    lines are shown as they arrive, and returned.

    Can be called from a notebook. Every rank gets its share of the processor cores.
    Raises LaunchError with the lines of the first rank that failed, or after `timeout`
    seconds.
    """
    if ranks < 1:
        raise ConfigError(f"ranks={ranks} must be at least 1")
    threads = max(1, (os.cpu_count() or 1) // ranks)
    where = list(torchrun) or ["--standalone"]
    command = [
        sys.executable, "-m", "torch.distributed.run", *where,
        "--nproc-per-node", str(ranks), "--max-restarts", str(restarts),
        "-m", "dit_lite", *map(str, arguments),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ
        | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        | (environment or {}),
    )
    lines: list[str] = []
    with process:
        try:
            for line in _lines(process, timeout):
                lines.append(line)
                if show and not NOISE.search(line):
                    show(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise LaunchError(_why(lines, process.returncode))
    return lines


def _lines(process: subprocess.Popen, timeout: float | None) -> Iterator[str]:
    """The lines of a process, which is stopped after `timeout` seconds."""
    import threading

    late = threading.Event()

    def end() -> None:
        late.set()
        process.terminate()

    timer = threading.Timer(timeout, end) if timeout else None
    if timer:
        timer.start()
    try:
        for line in process.stdout:
            yield line.rstrip("\n")
    finally:
        if timer:
            timer.cancel()
    if late.is_set():
        raise LaunchError(f"stopped after {timeout:g} s without finishing")


def _why(lines: list[str], status: int) -> str:
    text = "\n".join(lines)
    for pattern, meaning in KNOWN.items():
        if re.search(pattern, text):
            return meaning
    said = [line for line in lines if line.startswith("dit_lite ")]
    if said:
        return said[0]
    useful = [line for line in lines if not NOISE.search(line)]
    return f"ended with status {status}:\n" + "\n".join(useful[-15:])
