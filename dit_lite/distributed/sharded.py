"""Checkpoints in shards: every rank writes its own part, and any number of ranks can
read them (torch.distributed.checkpoint).

DIR/checkpoints/step-00000040 holds the shards, and about.json with their checksums and
everything that is not a tensor. It gets its name once it is complete, and the last two
are kept, so that there is always one to fall back on. Their index is pickled: only
directories that a run itself wrote are read.
"""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor

from ..files.writing import CheckpointError

FOLDER, ABOUT, PART, KEPT = "checkpoints", "about.json", ".part", 2


def save(directory: Path, step: int, tensors: dict[str, Tensor], about: dict) -> None:
    """Write this rank's tensors, atomically and together with all other ranks; `about`
    is taken from rank 0. Raises CheckpointError, on every rank, when the disk refuses.
    """
    place = directory / FOLDER / f"step-{step:08d}"
    part = place.with_name(place.name + PART)
    if _rank() == 0:
        for old in place.parent.glob(f"*{PART}"):
            shutil.rmtree(old)
        part.mkdir(parents=True)
    _wait()
    try:
        dcp.save(tensors, checkpoint_id=part, no_dist=not dist.is_initialized())
    except dcp.api.CheckpointException as error:
        raise CheckpointError(
            f"cannot write {place} ({_reason(error)}); the checkpoints written before "
            "are untouched: free some space, or choose another disk, and --resume"
        ) from None
    sums = _gathered({f.name: checksum(f) for f in _own(part)})
    if _rank() == 0:
        about = about | {
            "step": step,
            "files": sums
            | {f.name: checksum(f) for f in part.iterdir() if f.name not in sums},
        }
        (part / ABOUT).write_text(json.dumps(about))
        if place.exists():
            shutil.rmtree(place)
        os.replace(part, place)
        for old in complete(directory)[KEPT:]:
            shutil.rmtree(old)
    _wait()


def complete(directory: Path) -> list[Path]:
    """The checkpoints in a directory, newest first."""
    return sorted(
        (p.parent for p in (directory / FOLDER).glob(f"step-????????/{ABOUT}")),
        reverse=True,
    )


def intact(directory: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint whose files are intact, None if there is none; and what is
    wrong with newer ones, in words. All ranks get rank 0's answer.
    """
    answer: list = [None, []]
    if _rank() == 0:
        for place in complete(directory):
            if problem := _problem(place):
                answer[1].append(f"{place} is damaged ({problem}) and is skipped")
            else:
                answer[0] = place
                break
    if dist.is_initialized():
        dist.broadcast_object_list(answer)
    return answer[0], answer[1]


def _problem(place: Path) -> str | None:
    try:
        files = json.loads((place / ABOUT).read_text())["files"]
        for name, expected in files.items():
            if checksum(place / name) != expected:
                return f"{name} has changed"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return str(error)
    return None


def read_about(place: Path) -> dict:
    """The part of an intact checkpoint that is not tensors."""
    return json.loads((place / ABOUT).read_text())


def load(place: Path, tensors: dict[str, Tensor]) -> None:
    """Fill `tensors` in place, each rank its own part, however many ranks wrote them.
    Raises CheckpointError for a tensor that is missing or has another shape.
    """
    try:
        dcp.load(tensors, checkpoint_id=place, no_dist=not dist.is_initialized())
    except (dcp.api.CheckpointException, KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{place} does not fit this run ({_reason(error)}); resume with the model "
            "and the optimiser that the run began with"
        ) from None


def _reason(error: BaseException) -> str:
    """What went wrong, in one line; of several ranks, on the first that failed."""
    if isinstance(error, dcp.api.CheckpointException) and error.failures:
        error, _ = next(iter(error.failures.values()))
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _own(part: Path) -> list[Path]:
    return list(part.glob(f"__{_rank()}_*.distcp"))


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _wait() -> None:
    if dist.is_initialized():
        dist.barrier()


def _gathered(value: dict) -> dict:
    """The dicts of all ranks as one."""
    if not dist.is_initialized():
        return value
    values: list = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    with contextlib.suppress(TypeError):
        return {k: v for part in values for k, v in part.items()}
    return value
