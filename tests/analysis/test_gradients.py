import numpy as np
import pytest
import torch

from dit_lite import DiT, DiTConfig
from dit_lite.analysis.gradients import GROUPS, gradient_table, group_norms
from dit_lite.analysis.zero_init import READINGS, set_modulation


def sleeping(model: DiT) -> set[str]:
    return {group for group, norm in group_norms(model).items() if norm == 0}


def step(model: DiT) -> None:
    """A gradient on one fixed batch, and a small step along it."""
    generator = torch.Generator().manual_seed(2)
    x, target = torch.randn(2, 4, 1, 8, 8, generator=generator)
    model.zero_grad()
    (
        model(x, torch.rand(4, generator=generator), torch.arange(4)) - target
    ).square().mean().backward()


def descend(model: DiT) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad


@pytest.fixture
def model():
    torch.manual_seed(0)
    return DiT(DiTConfig(width=16, depth=2, heads=2))


def test_every_parameter_is_counted_once(model):
    step(model)
    descend(model)
    step(model)
    norms = group_norms(model)
    assert list(norms) == list(GROUPS)
    whole = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()
    assert sum(norm**2 for norm in norms.values()) ** 0.5 == pytest.approx(
        whole, rel=1e-5
    )


def test_gates_and_final_modulation_are_told_from_scale_and_shift(model):
    step(model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    # shift, scale, gate, of attention, then of the MLP
    gradient = model.blocks[1].modulation[1].weight.grad.view(6, 16, 16)
    gradient[2, 0, 0], gradient[5, 1, 1], gradient[4, 0, 0] = 3.0, 4.0, 2.0
    model.final.modulation[1].bias.grad[0] = 7.0
    norms = group_norms(model)
    assert {group: norm for group, norm in norms.items() if norm} == {
        "scale and shift": 2.0,
        "gates": 5.0,
        "final modulation": 7.0,
    }


def test_adaln_zero_wakes_up_in_three_stages(model):
    assert sleeping(model) == set(GROUPS), "no backward pass yet"
    step(model)
    assert sleeping(model) == set(GROUPS) - {"output"}
    descend(model)
    step(model)
    assert sleeping(model) == {"time and label", "attention", "MLP", "scale and shift"}
    descend(model)
    step(model)
    assert sleeping(model) == set()


@pytest.mark.parametrize("reading", list(READINGS)[:2])
def test_without_gates_the_branches_wake_up_with_the_patch_embedding(reading):
    torch.manual_seed(0)
    model = DiT(DiTConfig(width=16, depth=2, heads=2, conditioning="adaln"))
    set_modulation(model, *READINGS[reading][1:])
    step(model)
    assert "gates" not in group_norms(model)
    assert sleeping(model) == set(GROUPS) - {"output", "gates"}
    descend(model)
    step(model)
    assert sleeping(model) == {"time and label"}


def test_other_conditionings_are_refused():
    with pytest.raises(ValueError, match=r"norm1\.weight belongs to no group"):
        group_norms(DiT(DiTConfig(width=16, depth=1, heads=2, conditioning="additive")))


def test_table_is_a_mean_with_zeros_kept_and_absent_groups_marked():
    run = [{"attention": 0.0, "output": 1.0}, {"attention": 2.0, "output": 1.0}]
    other = [{"attention": 0.0, "output": 3.0}, {"attention": 4.0, "output": 3.0}]
    table = gradient_table([run, other])
    assert table.shape == (2, len(GROUPS))
    columns = {group: table[:, i].tolist() for i, group in enumerate(GROUPS)}
    assert columns["attention"] == [0.0, 3.0]
    assert columns["output"] == [2.0, 2.0]
    assert np.isnan(columns["gates"]).all()
    for runs in ([], [run, run[:1]]):
        with pytest.raises(ValueError, match="expected at least one run"):
            gradient_table(runs)
