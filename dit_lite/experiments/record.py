"""Results on disk: what was measured, and where, when, by which code and with which settings."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

from ..resources import resource
from ..training.checkpoint import write

BUDGETS = ("smoke", "cpu", "gpu")
SCHEMA = 1


class ResultError(ValueError):
    """A recorded result that cannot be used; the message names the file and what to run."""


@dataclass(frozen=True)
class Result:
    """A recorded result. `values` is what the experiment returned; `stale` says that its settings have changed since."""

    name: str
    budget: str
    values: dict
    settings: dict
    provenance: dict
    stale: bool = False

    def __str__(self) -> str:
        p = self.provenance
        seeds = f", seeds {', '.join(map(str, self.settings['seeds']))}" if "seeds" in self.settings else ""
        old = " STALE: the settings have changed since;" if self.stale else ""
        return (
            f"Recorded result '{self.name}', budget {self.budget}:{old} {p['date'][:10]}, commit {p['commit'][:8]}, "
            f"{p['hardware']}, torch {p['torch']}, {p['seconds']:.0f} s{seeds}."
        )


def settings_hash(settings: dict) -> str:
    """A short hash of an experiment's settings, by which a stale result is recognised."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def hardware(device: str = "cpu") -> str:
    """The processor, and the GPU when `device` is one."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")), model)
    cpu = f"{model}, {torch.get_num_threads()} threads"
    return f"{torch.cuda.get_device_name()}, {cpu}" if device == "cuda" else cpu


def commit() -> str:
    """The commit of the checkout, marked "+" when tracked files differ from it, or the package's version outside a checkout."""
    root = resource("data").parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", "dit_lite") else "")
    except (OSError, subprocess.CalledProcessError):
        from .. import __version__

        return f"version {__version__}"


def provenance(seconds: float, device: str = "cpu") -> dict:
    """Where a number comes from: date (UTC), commit, hardware, versions, wall time in seconds."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seconds": round(seconds, 1),
    }


def place(name: str, budget: str) -> Path:
    """The file of a result."""
    return resource("data/results") / name / f"{budget}.json"


def save_result(result: Result) -> Path:
    """Write a result, whole or not at all, and return its path."""
    path = place(result.name, result.budget)
    content = {"schema": SCHEMA, "name": result.name, "budget": result.budget, "provenance": result.provenance}
    content |= {"settings": result.settings, "settings_hash": settings_hash(result.settings), "values": result.values}
    write(path, (json.dumps(content, indent=1) + "\n").encode())
    return path


def read_result(name: str, budget: str, settings: dict | None = None) -> Result | None:
    """The result recorded at `budget`, or None; it is stale when `settings` are given and differ. Raises ResultError for a foreign file."""
    path = place(name, budget)
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ResultError(f"{path} is not JSON ({error}); record it again: python -m dit_lite experiment run {name} --budget {budget}") from None
    missing = {"schema", "provenance", "settings", "values"} - (content.keys() if isinstance(content, dict) else set())
    if missing or content["schema"] != SCHEMA:
        why = f"it lacks {', '.join(sorted(missing))}" if missing else f"its schema is {content['schema']}, not {SCHEMA}"
        raise ResultError(f"{path} is no result of this version: {why}; record it again: python -m dit_lite experiment run {name} --budget {budget}")
    stale = settings is not None and settings_hash(settings) != settings_hash(content["settings"])
    return Result(name, budget, content["values"], content["settings"], content["provenance"], stale)
