"""Which device and which arithmetic a run uses."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator

import torch

from ..config import CPU, GPU, ConfigError

#: The environment variable that defines "auto"; the pages of the book and the
#: experiments at a budget set it.
DEVICE = "DIT_LITE_DEVICE"


def automatic() -> str:
    """What "auto" means: $DIT_LITE_DEVICE, or where that is not set a GPU when there is
    one, else the CPU.
    """
    return os.environ.get(DEVICE) or ("cuda" if torch.cuda.is_available() else "cpu")


def pick_device(name: str) -> torch.device:
    """The device called "auto", cpu, cuda, or one GPU of several such as cuda:1.

    Raises ConfigError for a device that is not there, and for one of another kind.
    """
    field = "device"
    if name == "auto":
        field, name = DEVICE, automatic()
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(
                f"dit_lite computes on cpu and cuda, not on {device.type}"
            )
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"{field}={name!r} cannot be used ({str(error).splitlines()[0]}); "
            "leave it out, or choose cpu"
        ) from None
    return device


def preferred(device: torch.device) -> tuple[str, bool]:
    """The arithmetic that is fast on `device`, and whether compiling for it is worth
    its time; what TrainConfig.on takes.
    """
    if device.type != "cuda":
        return CPU
    precision, compiler = GPU
    # older GPUs have no bf16 units
    if torch.cuda.get_device_capability(device) < (8, 0):
        precision = "fp32"
    return precision, compiler and importlib.util.find_spec("triton") is not None


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """bf16 matrix products with fp32 weights (1905.12322), or nothing. Raises
    ConfigError for tf32 on a CPU, which has no units for it.

    A CPU is faster in bf16 only if it has instructions for it (AVX512-BF16, AMX), so
    there it has to be asked for. The weights are rounded to bf16 once per step. That
    moves 6 bytes per parameter, less than a fiftieth of what the step itself moves, so
    no second copy is kept.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(
            f"precision='tf32' needs a GPU, and this run uses {device}; leave it out"
        )
    return (
        torch.autocast(device.type, torch.bfloat16)
        if precision == "bf16"
        else contextlib.nullcontext()
    )


@contextlib.contextmanager
def products(precision: str) -> Iterator[None]:
    """Inside, fp32 matrix products on a GPU keep 10 bits of their factors (tf32)
    unless `precision` is "fp32"; the setting before is restored.
    """
    if precision == "fp32":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
