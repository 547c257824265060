import contextlib

import pytest
import torch

from dit_lite import ConfigError, train
from dit_lite.training.precision import autocast, pick_device


def test_the_device_is_the_one_that_is_there():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "", "cpu:x"])
def test_a_device_that_cannot_be_used_is_refused(name):
    with pytest.raises(ConfigError, match=f"device='{name}' cannot be used"):
        pick_device(name)


def test_bf16_on_a_cpu_is_refused(short):
    with pytest.raises(ConfigError, match="precision='bf16' needs a GPU, and this run uses cpu"):
        train(short(precision="bf16", device="cpu"), progress=False)
    assert isinstance(autocast("fp32", torch.device("cpu")), contextlib.nullcontext)
