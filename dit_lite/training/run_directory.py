"""The directory of a run: who may use it, and how a run is saved there and resumed."""

import contextlib
import json
import os
import weakref
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..config import ConfigError
from ..files.locking import locked
from ..files.pretrained import CONFIG, WEIGHTS
from ..files.tensors import read_notes, read_tensors, write_tensors
from ..files.writing import NOFOLLOW, CheckpointError, remove_parts

STATE, METRICS, LOCK = "state.safetensors", "metrics.jsonl", ".lock"
#: The layout of a state file; others are refused, so that none is misread.
SCHEMA = "2"


class Stateful(Protocol):
    """What changes during a run: its state as tensors and plain JSON values."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


class Generator:
    """The state of a random generator as a part of the state of a run."""

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def state_dict(self) -> dict[str, Tensor]:
        return {"state": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["state"])


class State(NamedTuple):
    """A state file: tensors by "PART.NAME", the plain values of each part, and the
    identity of the run.
    """

    tensors: dict[str, Tensor]
    values: dict[str, dict]
    identity: dict


class RunDirectory:
    """A directory that one process at a time may write a run to.

    Only the first of several processes of a run `writes`; the others read.
    """

    def __init__(self, path: str | Path, writes: bool = True):
        self.path, self.writes = Path(path), writes
        self._lock = None

    def resumes(self, resume: bool | str) -> bool:
        """Whether a run is continued here: as `resume` says, and for "auto" where there
        is a state to continue from.

        Raises ConfigError for a directory that another run occupies, CheckpointError
        when there is nothing to resume. Nothing is touched.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"out={str(self.path)!r} is a file; give a directory")
        names = (STATE, CONFIG, METRICS, WEIGHTS)
        there = [name for name in names if os.path.lexists(self.path / name)]
        if resume and STATE in there:
            return True
        if resume is True:
            raise CheckpointError(
                f"nothing to resume in {self.path}: {STATE} is missing; "
                "start the run without --resume"
            )
        if STATE in there:
            raise ConfigError(
                f"out={str(self.path)!r} already holds a run ({STATE}); continue it "
                "with --resume (resume=True), or choose another directory"
            )
        if there:
            raise ConfigError(
                f"out={str(self.path)!r} already holds {there[0]}, and no {STATE} to "
                "continue from; choose another directory"
            )
        return False

    def refuse_inside(self, pictures: Path) -> None:
        """Raise ConfigError where the run would lie among its own pictures, and be
        read as one of their classes.
        """
        if self.path.resolve().is_relative_to(pictures.resolve()):
            raise ConfigError(
                f"out={str(self.path)!r} lies in the folder of the pictures, "
                f"{str(pictures)!r}; choose a directory outside it"
            )

    def open(self) -> None:
        """Make the directory, and keep other processes out of it until `close`, or
        until this process ends, however it ends. Raises ConfigError when it cannot be
        made or written, or is in use.
        """
        if not self.writes or (self._lock and self._lock.alive):
            return
        doing = "made"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            doing = "written"
            file = lock(self.path / LOCK)
        except BlockingIOError:
            raise ConfigError(
                f"out={str(self.path)!r} is in use by another process; wait for it, "
                "stop it, or choose another directory"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"out={str(self.path)!r} cannot be {doing} ({error.strerror}); give "
                "another directory"
            ) from None
        self._lock = weakref.finalize(self, unlock, file, self.path / LOCK, os.getpid())
        remove_parts(self.path)

    def close(self) -> None:
        """Let other processes in."""
        if self._lock:
            self._lock()

    def save(self, state: dict[str, Stateful], identity: dict) -> None:
        """Write the state of every part, whole or not at all."""
        tensors, values = split_state(state)
        about = {"values": json.dumps(values), "identity": json.dumps(identity)}
        if self.writes:
            write_tensors(self.path / STATE, tensors, {"schema": SCHEMA} | about)

    def read(self) -> State:
        """The state that `save` wrote; raises CheckpointError when it is damaged, or of
        another version.
        """
        path = self.path / STATE
        schema = read_notes(path).get("schema")
        if schema != SCHEMA:
            raise CheckpointError(
                f"{path} is not a state of this version (schema {schema or 'unknown'}, "
                f"needed {SCHEMA}); finish the run with the version that began it, or "
                f"begin another from its weights: --init-from {self.path}"
            )
        tensors, about = read_tensors(path, signed=True)
        return State(
            tensors, json.loads(about["values"]), json.loads(about["identity"])
        )

    def restore(self, saved: State, state: dict[str, Stateful]) -> None:
        """Give every part its state back; raises CheckpointError if it does not fit."""
        try:
            parts = saved.values.keys() | {name.split(".")[0] for name in saved.tensors}
            if parts != state.keys():
                raise KeyError(*(parts ^ state.keys()))
            for name, part in state.items():
                tensors = {
                    key.removeprefix(f"{name}."): value
                    for key, value in saved.tensors.items()
                    if key.startswith(f"{name}.")
                }
                part.load_state_dict(saved.values[name] | tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{self.path / STATE} does not fit this run ({error}); was it written "
                "by another version, or on another kind of device?"
            ) from None

    def saved_step(self) -> int | None:
        """The step of the checkpoint in this directory."""
        if not (self.path / STATE).exists():
            return None
        return json.loads(read_notes(self.path / STATE)["values"])["trainer"]["step"]


def lock(path: Path) -> int:
    """An open file that no other process can lock, where files can be locked; raises
    BlockingIOError when one has done so, OSError when it cannot be written. The system
    releases the lock when the process ends.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o666)
        try:
            if locked(file) is False:
                raise BlockingIOError
            # whoever held it before may have removed it since it was opened
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), os.lstat(path)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def unlock(file: int, path: Path, process: int) -> None:
    """Remove the lock, unless this is a process forked from the one that took it."""
    if os.getpid() == process:
        path.unlink(missing_ok=True)
        os.close(file)


def split_state(
    state: dict[str, Stateful],
) -> tuple[dict[str, Tensor], dict[str, dict]]:
    """The tensors of all parts by "PART.NAME", and the plain values of each part."""
    tensors, values = {}, {}
    for name, part in state.items():
        values[name] = {}
        for key, value in part.state_dict().items():
            if isinstance(value, Tensor):
                tensors[f"{name}.{key}"] = value
            else:
                values[name][key] = value
    return tensors, values
