"""Results on disk: what was measured, and where, when, by which code and with which
settings.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

from ..config import ConfigError, choose
from ..resources import resource
from ..training.checkpoint import write
from ..training.precision import preferred

BUDGETS = ("smoke", "cpu", "gpu")
RECORDED = BUDGETS[1:]  # a result at smoke shows that the code runs, not what is true
SCHEMA = 1


class ResultError(ValueError):
    """A recorded result that cannot be used; the message names the file and what to
    run.
    """


@dataclass(frozen=True)
class Result:
    """A recorded result. `values` is what the experiment returned; `stale` says that
    its settings have changed since.
    """

    name: str
    budget: str
    values: dict
    settings: dict
    provenance: dict
    stale: bool = False

    def __str__(self) -> str:
        p = self.provenance
        slices = p.get("slices", [p])  # made in one go, or in several
        dates = sorted({one["date"][:10] for one in slices})
        commits, torches = (
            [*dict.fromkeys(one[key] for one in slices)] for key in ("commit", "torch")
        )
        seeds = (
            f", seeds {', '.join(map(str, self.settings['seeds']))}"
            if "seeds" in self.settings
            else ""
        )
        old = " STALE: the settings have changed since;" if self.stale else ""
        return (
            f"Recorded result '{self.name}', budget {self.budget}:{old} "
            f"{' to '.join(dates[:1] + dates[1:][-1:])}, "
            f"commit{'s' if len(commits) > 1 else ''} "
            f"{', '.join(c[:8] for c in commits)}, {p['hardware']}, torch "
            f"{', '.join(torches)}, "
            f"{p['seconds']:.0f} s{seeds}."
        )


def settings_hash(settings: dict) -> str:
    """A short hash of an experiment's settings, by which a stale result is
    recognised.
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[
        :12
    ]


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
        # else git would answer for a repository that merely holds this copy
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
                f"DIT_LITE_COMMIT={given!r} is no commit; set it to what `git "
                "rev-parse HEAD` prints"
            )
        return given
    from .. import __version__

    return f"version {__version__}"


def now() -> str:
    """The time in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def device_of(budget: str) -> str:
    """The device of a budget."""
    return "cuda" if budget == "gpu" else "cpu"


def provenance(seconds: float, device: str = "cpu") -> dict:
    """Where a number comes from: date (UTC), commit, hardware, versions, wall time
    in seconds; of a GPU also the arithmetic of runs that leave it open, and whether
    long ones of them are compiled.
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


def place(name: str, budget: str) -> Path:
    """The file of a result. Raises ConfigError at smoke, where nothing is recorded."""
    choose("the budget of a recorded result", budget, RECORDED)
    return resource("data/results") / name / f"{budget}.json"


def save_result(result: Result) -> Path:
    """Write a result, whole or not at all, and return its path."""
    path = place(result.name, result.budget)
    content = {
        "schema": SCHEMA,
        "name": result.name,
        "budget": result.budget,
        "provenance": result.provenance,
    }
    content |= {
        "settings": result.settings,
        "settings_hash": settings_hash(result.settings),
        "values": result.values,
    }
    write(path, (json.dumps(content, indent=1) + "\n").encode())
    return path


def read_result(name: str, budget: str, settings: dict | None = None) -> Result | None:
    """The result recorded at `budget`, or None; it is stale when `settings` are
    given and differ. Raises ResultError for a foreign file.
    """
    path = place(name, budget)
    if not path.exists():
        return None
    way_out = (
        f"record it again: python -m dit_lite experiment run {name} --budget {budget}"
    )
    content = read_content(path, {"provenance", "settings", "values"}, way_out)
    if missing := {"date", "commit", "hardware", "torch", "seconds"} - set(
        content["provenance"]
    ):
        raise ResultError(
            f"{path} does not say where it comes from: its provenance lacks "
            f"{', '.join(sorted(missing))}; {way_out}"
        )
    stale = settings is not None and settings_hash(
        _known_then(settings, content["settings"])
    ) != settings_hash(content["settings"])
    return Result(
        name,
        budget,
        content["values"],
        content["settings"],
        content["provenance"],
        stale,
    )


def read_content(path: Path, keys: set[str], way_out: str) -> dict:
    """The content of a file of ours under data/results. Raises ResultError, with
    `way_out`, unless it is JSON of this schema with these keys.
    """
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultError(f"{path} is not JSON ({error}); {way_out}") from None
    missing = {"schema", "name", "budget", *keys} - (
        content.keys() if isinstance(content, dict) else set()
    )
    if missing or content["schema"] != SCHEMA:
        why = (
            f"it lacks {', '.join(sorted(missing))}"
            if missing
            else f"its schema is {content['schema']}, not {SCHEMA}"
        )
        raise ResultError(f"{path} is no result of this version: {why}; {way_out}")
    if (content["name"], content["budget"]) != (
        path.parent.name,
        path.name.split(".")[0],
    ):
        raise ResultError(
            f"{path} holds the result of {content['name']!r} at "
            f"{content['budget']!r}; {way_out}"
        )
    return content


def _known_then(settings: dict, recorded: dict) -> dict:
    """Settings without the fields of the recipe that did not exist when a result was
    recorded: a new one starts at what was done before.
    """
    if not (
        isinstance(settings.get("recipe"), dict)
        and isinstance(recorded.get("recipe"), dict)
    ):
        return settings
    return settings | {
        "recipe": {
            name: value
            for name, value in settings["recipe"].items()
            if name in recorded["recipe"]
        }
    }
