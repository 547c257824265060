"""How long a report will take, and how many network calls, before it begins."""

import time
from collections.abc import Callable

import torch

from ...data import Dataset
from ...diffusion import trajectory
from ...model.dit import DiT
from ..networks.extractor import Extractor, extract

TRIED = 8  # images at once: enough to fill two cores


@torch.no_grad()
def estimate(
    model: DiT, samples: int, calls: int, extractor: Extractor, real: Dataset | None
) -> float:
    """Seconds for `samples` images of `calls` network evaluations each, and for
    extracting their features and those of the real images, from a few of each on this
    machine.
    """
    config, device = model.config, next(model.parameters()).device
    count = min(TRIED, samples)
    shape = (count, config.channels, config.image_size, config.image_size)
    x = torch.zeros(shape, device=device, dtype=next(model.parameters()).dtype)
    t, y = torch.full((count,), 0.5, device=device), torch.arange(count, device=device)

    def call() -> None:
        model(x, t, y % config.num_classes)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    seconds = samples * calls * _each(call, count)
    if real is not None:
        some = real.floats(slice(TRIED))
        look = _each(lambda: extract(extractor, some), len(some))
        seconds += (len(real) + samples) * look
    return seconds


def _each(function: Callable[[], object], count: int) -> float:
    """Seconds per item of the `count` that a call processes; the first call, a warm-up,
    is not counted.
    """
    function()
    begin = time.perf_counter()
    function()
    return (time.perf_counter() - begin) / count


def in_words(seconds: float) -> str:
    """A rough duration: "20 s", "4 min", "2.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


@torch.no_grad()
def network_calls(
    model: DiT,
    sampler: str,
    steps: int,
    guidance: float,
    interval: tuple[float, float] = (0.0, 1.0),
) -> int:
    """Network evaluations per image, counted on a real trajectory."""
    *_, (denoiser, _) = trajectory(
        model, [0], steps, guidance, sampler, interval=interval
    )
    return denoiser.calls
