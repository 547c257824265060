import pytest
import torch

from dit_lite.analysis import training_cost
from dit_lite.benchmarks import cost

CPU = torch.device("cpu")


def test_bytes_are_predicted_within_ten_percent_before_anything_is_measured():
    for name, config in list(cost.shapes().items())[::3]:
        _, kept = cost.measured(config, 4, CPU, 1)
        assert cost.predicted_bytes(config, 4) == pytest.approx(kept, rel=0.1), name


def test_the_twelve_are_twelve_and_none_of_them_calibrates():
    twelve = cost.shapes()
    assert len(twelve) == 12
    assert not set(twelve.values()) & set(cost.calibration_shapes())


def test_a_machine_that_follows_the_model_is_found(monkeypatch):
    """Seconds made up from four known rates give those rates back, and predictions
    without error.
    """
    truth = cost.Machine(1e-11, 2e-10, 3e-9, 1e-4)
    monkeypatch.setattr(
        cost, "measured", lambda config, batch, *_: (truth.step(config, batch), 1.0)
    )
    assert cost.calibrate(16, CPU, 3) == pytest.approx(truth, rel=1e-4)
    rows = cost.compare(16, CPU, 3, cost.shapes())
    assert max(cost.errors(rows, "seconds")) < 1e-6


def test_rates_are_never_negative():
    design = torch.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]], dtype=torch.float64)
    found = cost.non_negative(design * torch.tensor([1.0, -1.0]))
    assert found.tolist() == pytest.approx([1.0, 0.0])


def test_a_step_trains():
    config = next(iter(cost.shapes().values()))
    step = cost.training_step(config, 2, CPU)
    before = step.model.final.linear.weight.clone()
    step()
    assert not torch.equal(step.model.final.linear.weight, before)
    assert training_cost(config, 2)["parameters"] == sum(
        p.numel() for p in step.model.parameters()
    )
