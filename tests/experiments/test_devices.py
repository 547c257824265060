"""What asks shipped models for numbers asks them on the device of the budget. A
device without numbers stands for the GPU: torch refuses to mix it with the CPU too.
"""

import importlib

import pytest
import torch

MODULES = {
    name: importlib.import_module(f"dit_lite.experiments.{name}")
    for name in ("class_settled", "judges", "memorisation_check", "shipped", "spectra")
}
PARTS = {
    "noised digits": lambda m: m["class_settled"].noised_digits(0, [0.3]),
    "free walks": lambda m: m["class_settled"].free_walks(0, 20, 3),
    "judges": lambda m: m["judges"].one_judge("digits"),
    "shipped": lambda m: m["shipped"].one_denoiser("digits", "no class", 50, 5),
    "linear": lambda m: m["shipped"].one_denoiser("digits", "linear", 50, 5),
    "features": lambda m: m["memorisation_check"].seen(
        "digits-judge", torch.zeros(5, 1, 8, 8)
    ),
    "beliefs": lambda m: m["spectra"].beliefs("digits", "digits-judge", 0, [0.3], 20),
    "walks": lambda m: m["spectra"].walk_rows("digits", "digits-judge", 0, 2.0, 20, 3),
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
        *MODULES.values(),
        importlib.import_module("dit_lite.evaluation.extractor"),
    ):
        if hasattr(module, "pick_device"):
            monkeypatch.setattr(
                module, "pick_device", lambda name: torch.device("meta")
            )
    # it reads numbers
    monkeypatch.setattr("dit_lite.model.dit.check_inputs", lambda *inputs: None)
    monkeypatch.setattr(
        MODULES["class_settled"],
        "share",
        lambda right: fetched.append(right.device.type),
    )
    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    PARTS[part](MODULES)
    assert "meta" in fetched
