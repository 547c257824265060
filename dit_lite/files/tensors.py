"""Tensors and notes in a safetensors file, with a checksum. Nothing is unpickled."""

import contextlib
import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from .writing import CheckpointError, write

CHECKSUM = "checksum"


def checksum(tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    """SHA-256 of tensors on the CPU, with their names, types and shapes, and of the
    notes beside them.
    """
    notes = {k: v for k, v in about.items() if k != CHECKSUM}
    digest = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def write_tensors(
    path: Path, tensors: dict[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Tensors and short notes as one safetensors file, with a checksum of both."""
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in tensors.items()
    }
    about = {"format": "pt"} | (about or {})
    about[CHECKSUM] = checksum(tensors, about)
    write(path, serialise(tensors, metadata=about))


def read_tensors(
    path: Path, signed: bool = False
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a safetensors file.

    Raises FileNotFoundError, or CheckpointError when it is truncated, of another kind,
    or does not match its checksum; with `signed`, also when it has none.
    """
    with _opened(path) as file:
        about = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    signed = signed or CHECKSUM in about
    if signed and about.get(CHECKSUM) != checksum(tensors, about):
        raise CheckpointError(
            f"{path} is damaged: its checksum does not match its content; use "
            "another copy, or save it again"
        )
    return tensors, about


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a safetensors file by name, without its tensors; errors as in
    `read_tensors`.
    """
    with _opened(path) as file:
        return {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}  # noqa: SIM118


def read_notes(path: Path) -> dict[str, str]:
    """The notes of a safetensors file, without its tensors; errors as in
    `read_tensors`.
    """
    with _opened(path) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _opened(path: Path):
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; is {path.parent} the directory of a run or a model?"
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({error}); use "
            "another copy, or save it again"
        ) from None
