"""What every test shares: one thread, and small models in which no weight is zero."""

from __future__ import annotations

import gc
import os
import re
from typing import TYPE_CHECKING

# before torch is imported, and for the processes that tests start
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

if TYPE_CHECKING:
    import torch

    from dit_lite import DiT, DiTConfig, TrainConfig


def pytest_configure(config):
    """Set up a process that runs tests; one that hands them out (-n) waits for no
    import.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    import torch
    from hypothesis import settings

    torch.set_num_threads(1)
    settings.register_profile(
        "dit_lite", max_examples=30, deadline=None, derandomize=True, database=None
    )
    settings.load_profile("dit_lite")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected stays to the end: nobody need look for garbage in
    it, which takes longer than the imports.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of one file go to one worker, and share what it made; so do those of
    one page of the book, which is opened once, of one experiment, or of JupyterLab.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if "in_jupyterlab" in nodeid:
                return "jupyterlab"
            of = re.search(r"/test_(?:pages|budgets|smoke)\.py::.*\[(.*)\]", nodeid)
            return of[1] if of else nodeid.split("::")[0]

    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.fixture(scope="session")
def tiny():
    """A function that makes a small configuration, with changes."""
    from dit_lite import DiTConfig

    return lambda **changes: DiTConfig(
        **(
            dict(
                image_size=8,
                channels=1,
                patch_size=2,
                width=16,
                depth=2,
                heads=2,
                num_classes=3,
            )
            | changes
        )
    )


@pytest.fixture(scope="session")
def short(tiny):
    """A function that makes the configuration of a short run on digits, with changes
    of the run and of its `model`.
    """
    from dit_lite import TrainConfig

    def make(model: dict | None = None, **changes) -> TrainConfig:
        config = tiny(**dict(num_classes=10) | (model or {}))
        base = dict(
            device="cpu",
            steps=12,
            batch_size=8,
            lr=3e-3,
            warmup=min(4, changes.get("steps", 12)),
            log_every=4,
            save_every=5,
            label_dropout=0.1 if config.null_class else 0.0,
        )
        return TrainConfig(model=config, **base | changes)

    return make


@pytest.fixture(scope="session")
def alive(tiny):
    """A function that makes a small DiT in which every parameter is random, so that
    nothing hides behind a zero.
    """
    import torch

    from dit_lite import DiT

    def make(seed: int = 0, std: float = 0.3, **changes) -> DiT:
        model = DiT(tiny(**changes)).eval()
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            parameter.data.normal_(0, std, generator=generator)
        return model

    return make


@pytest.fixture(scope="session")
def batch():
    """A function that makes a batch (x, t, y) that fits a configuration."""
    import torch

    def make(
        config: DiTConfig, size: int = 3, seed: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(
            size,
            config.channels,
            config.image_size,
            config.image_size,
            generator=generator,
        )
        t = torch.rand(size, generator=generator)
        if config.condition == "label":
            y = torch.randint(config.num_classes, (size,), generator=generator)
            return x, t, y
        shape = (size, config.caption_length)
        if config.condition == "caption":
            y = torch.randint(1, config.vocab_size, shape, generator=generator)
        else:
            y = torch.randn(*shape, config.feature_width, generator=generator)
        for i in range(size):  # images differ in how much is padding
            y[i, config.caption_length - i % config.caption_length :] = 0
        return x, t, y

    return make
