import contextlib

import pytest
import torch

from dit_lite import ConfigError, TrainConfig, train
from dit_lite.config import COMPILE_FROM, CPU, GPU
from dit_lite.training.precision import (
    DEVICE,
    autocast,
    pick_device,
    preferred,
    products,
)


def test_what_is_left_open_is_chosen_by_the_device():
    long, brief = TrainConfig(steps=COMPILE_FROM), TrainConfig(steps=COMPILE_FROM - 1)
    assert [
        (run.precision, run.compile)
        for run in (long.on(*GPU), brief.on(*GPU), long.on(*CPU))
    ] == [("bf16", True), ("bf16", False), ("fp32", False)]
    told = TrainConfig(steps=1, precision="fp32", compile=True)
    assert told.on(*GPU) == told.on(*CPU) == told
    assert preferred(torch.device("cpu")) == CPU


@pytest.mark.parametrize(
    ("precision", "inside"), [("fp32", "highest"), ("tf32", "high"), ("bf16", "high")]
)
def test_the_setting_of_products_is_put_back(precision, inside):
    before = torch.get_float32_matmul_precision()
    with products(precision):
        assert torch.get_float32_matmul_precision() == inside
    assert torch.get_float32_matmul_precision() == before == "highest"


def test_the_device_is_the_one_that_is_there(monkeypatch):
    monkeypatch.delenv(DEVICE, raising=False)
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_auto_is_what_the_environment_says(monkeypatch):
    monkeypatch.setenv(DEVICE, "cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert pick_device("auto") == torch.device("cpu")
    monkeypatch.setenv(DEVICE, "mps")
    with pytest.raises(
        ConfigError, match=r"DIT_LITE_DEVICE='mps' cannot be used .*not on mps"
    ):
        pick_device("auto")


@pytest.mark.parametrize("name", ["mps", "meta", "tpu", "cuda:99", "", "cpu:x"])
def test_a_device_that_cannot_be_used_is_refused(name):
    with pytest.raises(ConfigError, match=f"device='{name}' cannot be used"):
        pick_device(name)


def test_the_arithmetic_of_a_gpu_is_refused_on_a_cpu(short):
    with pytest.raises(
        ConfigError, match="precision='tf32' needs a GPU, and this run uses cpu"
    ):
        train(short(precision="tf32", device="cpu"), progress=False)
    assert isinstance(autocast("fp32", torch.device("cpu")), contextlib.nullcontext)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_bf16_on_a_cpu_differs_by_rounding_only(short, optimiser):
    """Weights stay in fp32, so neither a step nor a loss is rounded to 8 bits."""
    full, half = (
        train(
            short(precision=precision, device="cpu", optimiser=optimiser),
            progress=False,
        )
        for precision in ("fp32", "bf16")
    )
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}
    for a, b in zip(full.metrics, half.metrics, strict=True):
        assert 0 < abs(a["loss"] - b["loss"]) < 0.01 * a["loss"]
