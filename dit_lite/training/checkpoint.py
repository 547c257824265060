"""The files of a run and of a model; how they are written and read stands in
pretrained.py.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..model.dit import DiT
from ..pretrained import (
    CONFIG,
    WEIGHTS,
    CheckpointError,
    Origin,
    directory_of,
    load_weights,
    origin_of,
    read_tensors,
    save_model,
    shipped,
    upgraded,
    write,
    write_tensors,
)

STATE, METRICS = "state.safetensors", "metrics.jsonl"


def load(name_or_directory: str | Path, device: str | torch.device = "cpu") -> DiT:
    """The model of a shipped checkpoint ("digits") or of a directory with config.json
    and model.safetensors, in eval mode.

    Raises FileNotFoundError when there is none, CheckpointError (a ValueError) when its
    files are truncated, foreign, or disagree.
    """
    return DiT.from_pretrained(name_or_directory).to(device)


__all__ = [
    "CONFIG", "METRICS", "STATE", "WEIGHTS", "CheckpointError", "Origin",
    "directory_of", "load", "load_weights", "origin_of", "read_tensors", "save_model",
    "shipped", "upgraded", "write", "write_tensors",
]  # fmt: skip
