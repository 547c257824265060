"""The finished parts of an incomplete result, kept next to it until it is complete."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..config import ConfigError
from ..files.strict_json import to_json
from ..files.writing import write
from .results import (
    SCHEMA,
    ResultError,
    place,
    read_content,
    read_result,
    settings_hash,
)


@dataclass
class FinishedParts:
    """Finished parts of one experiment at one budget; each of `runs` is the output of
    one run of the command, {"provenance", "parts": {key: {"seconds", "value"}}}.
    """

    name: str
    budget: str
    settings: dict
    total: int = 0  # parts of the whole experiment, 0 while unknown
    runs: list[dict] = field(default_factory=list)

    @property
    def parts(self) -> dict[str, dict]:
        """Every finished part by its key."""
        return {key: part for one in self.runs for key, part in one["parts"].items()}

    @property
    def seconds(self) -> float:
        """Wall time of the finished parts in seconds."""
        return sum(part["seconds"] for part in self.parts.values())

    def check(self, settings: dict, hardware: str) -> None:
        """Raise ResultError unless these parts can be combined with new ones made with
        `settings` on `hardware`.
        """
        if not self.runs:
            return
        way_out = (
            f"delete {parts_file(self.name, self.budget)}, or begin again "
            "with --restart"
        )
        made = f"{self.name} at {self.budget}: {len(self.parts)} parts were made"
        if changed := changes(self.settings, settings):
            raise ResultError(f"{made} with other settings ({changed}); {way_out}")
        for one in self.runs:
            if (there := one["provenance"]["hardware"]) != hardware:
                raise ResultError(
                    f"{made} on {there}, but this is {hardware}; a result must come "
                    f"from one kind of hardware: continue there, or {way_out}"
                )


def changes(old: dict, new: dict) -> str:
    """The settings that differ, as "name: old -> new"; empty when none does."""
    if settings_hash(old) == settings_hash(new):
        return ""
    nothing = object()
    names = [
        name for name in old | new if old.get(name, nothing) != new.get(name, nothing)
    ]
    return ", ".join(
        f"{name}: {old.get(name, 'unset')} -> {new.get(name, 'unset')}"
        for name in names
    )


def tally(done: int, total: int) -> str:
    """Finished parts in words; `total` is 0 where it is unknown."""
    return f"{done} of {total} parts" if total else f"{done} part{'s' * (done != 1)}"


@contextlib.contextmanager
def alone(name: str, budget: str) -> Iterator[None]:
    """Inside, no other process runs this experiment in this checkout, provided the
    system has file locks. Raises ConfigError when one does.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    folder = place(name, budget).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"no result can be written to {folder} ({error.strerror}); run this in a "
            "writable checkout"
        ) from None
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            # the system releases it when the process ends, however it ends
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"experiment {name!r} is being run by another process in this "
                "checkout; wait for it, or stop it"
            ) from None
        yield
    finally:
        os.close(handle)


def parts_file(name: str, budget: str) -> Path:
    """Where the finished parts are kept; git ignores it."""
    return place(name, budget).with_suffix(".parts.json")


def save_parts(finished: FinishedParts) -> None:
    """Write the finished parts atomically."""
    content = (
        {"schema": SCHEMA}
        | vars(finished)
        | {"settings_hash": settings_hash(finished.settings)}
    )
    write(
        parts_file(finished.name, finished.budget),
        (to_json(content, indent=1) + "\n").encode(),
    )


def read_parts(name: str, budget: str) -> FinishedParts | None:
    """The finished parts, or None when there are none. Raises ResultError for a file
    of another kind or schema.
    """
    path = parts_file(name, budget)
    if not path.exists():
        return None
    content = read_content(
        path, {"settings", "total", "runs"}, "delete it, or begin again with --restart"
    )
    finished = FinishedParts(
        name, budget, content["settings"], content["total"], content["runs"]
    )
    with contextlib.suppress(ResultError):
        result = read_result(name, budget)
        if result and all(
            one["provenance"]["date"] <= result.provenance["date"]
            for one in finished.runs
        ):
            # left over from a result that has since been completed, here or elsewhere
            return None
    return finished
