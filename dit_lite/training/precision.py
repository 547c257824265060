"""Which device and which arithmetic a run uses."""

from __future__ import annotations

import contextlib

import torch

from ..config import ConfigError


def pick_device(name: str) -> torch.device:
    """ "auto" is a GPU when there is one; any torch device name otherwise. Raises ConfigError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device={name!r} cannot be used ({str(error).splitlines()[0]}); leave it out, or choose cpu") from None
    return device


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """bf16 matrix products with fp32 weights (1905.12322), or nothing. Raises ConfigError for bf16 on a CPU, where it would only be slower."""
    if precision == "fp32":
        return contextlib.nullcontext()
    if device.type != "cuda":
        raise ConfigError(f"precision='bf16' needs a GPU, and this run uses {device}; leave it out")
    return torch.autocast("cuda", torch.bfloat16)
