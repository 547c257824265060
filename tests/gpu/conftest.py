"""Tests that run on every device there is: on the CPU always, on a GPU where there
is one.
"""

from __future__ import annotations

import pytest
import torch

from dit_lite import TrainConfig

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])


@pytest.fixture(params=["cpu", CUDA])
def device(request) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(params=[CUDA])
def gpu(request) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def short(tiny):
    """A function that makes the configuration of a run of seconds on a device."""

    def make(device: torch.device, model: dict | None = None, **changes) -> TrainConfig:
        base = dict(
            steps=12,
            batch_size=64,
            lr=3e-3,
            warmup=4,
            log_every=4,
            save_every=5,
            label_dropout=0.1,
            device=str(device),
            compile=False,
        )
        return TrainConfig(
            model=tiny(**dict(num_classes=10) | (model or {})), **base | changes
        )

    return make
