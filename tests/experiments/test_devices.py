"""Experiments that sample shipped models run them on the budget's device. A device
without numbers stands in for the GPU: torch refuses to mix it with the CPU too.
"""

import importlib

import pytest
import torch

from dit_lite.experiments.diffusion import loss_beside_linear
from dit_lite.experiments.generation import (
    class_settled,
    judges,
    memorisation_check,
    spectra,
)

PARTS = {
    "noised digits": lambda: class_settled.noised_digits(0, [0.3]),
    "without a class": lambda: class_settled.unconditional_trajectories(0, 20, 3),
    "judges": lambda: judges.one_judge("digits"),
    "models": lambda: loss_beside_linear.one_denoiser("digits", "no class", 50, 5),
    "linear": lambda: loss_beside_linear.one_denoiser("digits", "linear", 50, 5),
    "features": lambda: memorisation_check.seen(
        "digits-judge", torch.zeros(5, 1, 8, 8)
    ),
    "predicted images": lambda: spectra.predicted_images(
        "digits", "digits-judge", 0, [0.3], 20
    ),
    "trajectories": lambda: spectra.trajectory_rows(
        "digits", "digits-judge", 0, 2.0, 20, 3
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_left_behind_on_the_cpu(monkeypatch, part):
    fetch, fetched = torch.Tensor.cpu, []

    def cpu(tensor):
        fetched.append(tensor.device.type)
        return (
            torch.zeros(tensor.shape, dtype=tensor.dtype)
            if tensor.is_meta
            else fetch(tensor)
        )

    for module in (
        class_settled,
        judges,
        loss_beside_linear,
        memorisation_check,
        spectra,
        importlib.import_module("dit_lite.evaluation.networks.extractor"),
    ):
        if hasattr(module, "pick_device"):
            monkeypatch.setattr(
                module, "pick_device", lambda name: torch.device("meta")
            )
    monkeypatch.setattr(
        class_settled, "share", lambda right: fetched.append(right.device.type)
    )
    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    PARTS[part]()
    assert "meta" in fetched
