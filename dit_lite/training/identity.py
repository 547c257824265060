"""What makes a run the same run: its device, its data, its model and its settings; and
which settings may change when it is continued.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from ..config import SILENT, DiTConfig, TrainConfig
from ..data import Dataset
from ..files.writing import CheckpointError

#: Settings that do not change the numbers, or whose effect is compared instead.
FREE = (*SILENT, "data", "device", "budget")
#: Settings that may change in one direction only, and how messages say so.
RAISED, LOWERED = ("steps",), ("lr", "clip")
CHUNK = 4096  # images hashed at once
GENERATED = 64  # pictures of generated data that are hashed


def describe_data(data: Dataset) -> dict:
    """What a run is trained on: its name, the number and shape of its images, the
    classes in their order, whether it is mirrored, and a SHA-256 of all pixels and
    labels, or captions, in their order. Generated data have no end; their first
    pictures show by which generator, split and seed they are made.
    """
    count = GENERATED if getattr(data, "fresh", False) else len(data)
    digest = hashlib.sha256(np.ascontiguousarray(data.labels[:count]))
    for i in range(0, count, CHUNK):
        digest.update(np.ascontiguousarray(data.images[i : min(i + CHUNK, count)]))
    return {
        "name": data.name,
        "images": len(data),
        "shape": list(data.images.shape[1:]),
        "classes": list(data.class_names),
        "mirrored": data.flip,
        "content": digest.hexdigest(),
    }


def identity(
    config: TrainConfig, model: DiTConfig, device: torch.device, data: Dataset
) -> dict:
    """All that makes a run the same run, as plain JSON values."""
    return json.loads(
        json.dumps(
            {
                "device": device.type,
                "data": describe_data(data),
                "config": config.to_dict(),
                "model": model.to_dict(),
            }
        )
    )


def continued(config: TrainConfig, before: TrainConfig) -> TrainConfig:
    """The settings of a run that is continued for longer: fields that are not given,
    and would follow from the new `steps`, stay as they were.
    """
    if config.steps == before.steps:
        return config
    if config.warmup == dataclasses.replace(config, warmup=None).warmup:
        config = dataclasses.replace(config, warmup=before.warmup)
    if config.compile is None:
        config = dataclasses.replace(config, compile=before.compile)
    return config


def check_same(before: dict, now: dict, directory: Path) -> list[str]:
    """Raise CheckpointError unless `now` continues the run whose identity was `before`:
    on the same kind of device, the same data and the same model, with settings that may
    only change as RAISED and LOWERED say. Returns what has changed, in words.
    """
    if before["device"] != now["device"]:
        raise CheckpointError(
            f"{directory} holds a run on {before['device']}, but this is "
            f"{now['device']}; resume it there, or choose another directory"
        )
    if difference := _other_data(before["data"], now["data"]):
        raise CheckpointError(
            f"{directory} holds a run on other data: {difference}; put the data back, "
            f"or begin another run from its weights: --init-from {directory} "
            "--out ANOTHER"
        )
    moved = []
    for part in ("config", "model"):
        for name, value in now[part].items():
            old = before[part].get(name)
            if old == value or (part == "config" and name in FREE):
                continue
            if part == "config" and _may_move(name, old, value):
                moved.append(f"{name} was {old!r} and is now {value!r}")
                continue
            only = "only longer" if name in RAISED else "only lower"
            only = f" ({name}: {only})" if name in RAISED + LOWERED else ""
            raise CheckpointError(
                f"{directory} holds another run: {name} was {old!r} and is now "
                f"{value!r}; resume with the same settings{only}, or choose another "
                "directory"
            )
    return moved


def _may_move(name: str, old, new) -> bool:
    return (name in RAISED and new > old) or (name in LOWERED and new < old)


def _other_data(before: dict, now: dict) -> str:
    """The first difference between two data sets, in words."""
    for name in ("images", "shape", "mirrored"):
        if before[name] != now[name]:
            return f"{name} of {before['name']!r} was {before[name]}, now {now[name]}"
    old, new = before["classes"], now["classes"]
    if len(old) != len(new):
        return f"{len(old)} classes then, {len(new)} now"
    for k, (was, is_now) in enumerate(zip(old, new, strict=True)):
        if was != is_now:
            return f"class {k} was {was!r} and is now {is_now!r}"
    if before["content"] != now["content"]:
        return f"the images or labels of {before['name']!r} changed, or their order"
    return ""
