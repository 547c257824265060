"""Where a number comes from: when, by which code, on which machine."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

import torch

from ..config import ConfigError
from ..files.environment import resource
from ..training.precision import preferred


def hardware(device: str = "cpu") -> str:
    """The processor, and the GPU when `device` is one."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (
                line.split(":")[1].strip()
                for line in info.read_text().splitlines()
                if line.startswith("model name")
            ),
            model,
        )
    cpu = f"{model}, {torch.get_num_threads()} threads"
    return f"{torch.cuda.get_device_name()}, {cpu}" if device == "cuda" else cpu


def commit() -> str:
    """The commit of the checkout, marked "+" when tracked files differ from it;
    without git $DIT_LITE_COMMIT, else the package's version.
    """
    root = resource("data").parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        # else git would answer for a repository that merely contains this copy
        if (root / ".git").exists():
            return git("rev-parse", "HEAD") + (
                "+"
                if git("status", "--porcelain", "--untracked-files=no", "dit_lite")
                else ""
            )
    except (OSError, subprocess.CalledProcessError):
        pass
    if given := os.environ.get("DIT_LITE_COMMIT"):
        if not re.fullmatch(r"[0-9a-f]{7,40}\+?", given):
            raise ConfigError(
                f"DIT_LITE_COMMIT={given!r} is not a commit; set it to what `git "
                "rev-parse HEAD` prints"
            )
        return given
    from .. import __version__

    return f"version {__version__}"


def now() -> str:
    """The time in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def provenance(seconds: float, device: str = "cpu") -> dict:
    """Where a number comes from: date (UTC), commit, hardware, versions, wall time in
    seconds; on a GPU also the precision of runs that leave it open, and whether long
    runs among them are compiled.
    """
    precision, compiler = preferred(torch.device(device))
    return {
        "date": now(),
        "commit": commit(),
        "hardware": hardware(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seconds": round(seconds, 1),
    } | ({"precision": precision, "compiled": compiler} if device == "cuda" else {})
