import pytest
import torch

from dit_lite.training.muon import Muon, orthogonalise
from dit_lite.training.optim import OptimiserState, make_muon

SHAPES = [(16, 16), (64, 16), (16, 48), (64, 16)]


def matrices(seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES
    ]


def descend(optimiser, params, steps: int, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator)
        optimiser.step()


@pytest.mark.parametrize("shape", [(32, 32), (96, 32), (32, 96)])
def test_singular_values_become_about_one_and_directions_stay(shape):
    u, s, v = torch.linalg.svd(
        torch.randn(5, *shape, generator=torch.Generator().manual_seed(0)),
        full_matrices=False,
    )
    y = orthogonalise(u @ torch.diag_embed(torch.linspace(0.05, 1, s.shape[1])) @ v)
    assert 0.6 < torch.linalg.svdvals(y).min() < torch.linalg.svdvals(y).max() < 1.3
    inside = u.mT @ y @ v.mT  # diagonal where the singular vectors are kept
    assert (
        inside - torch.diag_embed(inside.diagonal(dim1=-2, dim2=-1))
    ).abs().max() < 1e-3


@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_is_that_of_torch(bf16):
    """torch's runs its iteration in bf16, hence the tolerance."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has Muon since 2.9")
    mine, theirs = matrices(), matrices()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        descend(Muon(mine, 0.1, weight_decay=0.3), mine, 4)
    descend(
        torch.optim.Muon(
            theirs, 0.1, weight_decay=0.3, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        ),
        theirs,
        4,
    )
    for start, a, b in zip(matrices(), mine, theirs, strict=True):
        moved = b.detach() - start.detach()
        assert (a - b).norm() < 0.02 * moved.norm()


def test_only_hidden_matrices_are_muons(alive):
    model = alive(mlp="swiglu", long_skips=True)
    optimiser = make_muon(model, 0.1, 0.0, 0.99)
    names = {id(p): name for name, p in model.named_parameters()}
    muons = {names[id(p)] for p in optimiser.parts[1].param_groups[0]["params"]}
    assert muons == {
        f"blocks.{i}.{part}.weight"
        for i in range(2)
        for part in ("attention.qkv", "attention.out", "mlp.enter", "mlp.leave")
    }
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(names)


def test_attention_to_the_condition_is_attention(alive):
    model = alive(conditioning="cross_attention")
    muons = {
        id(p)
        for p in make_muon(model, 0.1, 0.0, 0.99).parts[1].param_groups[0]["params"]
    }
    assert all(
        id(p) in muons for p in model.blocks[0].cross.parameters() if p.ndim == 2
    )


def test_the_state_survives_as_named_tensors(alive):
    model, other = alive(), alive()
    optimiser, fresh = (
        make_muon(model, 0.1, 0.1, 0.99),
        make_muon(other, 0.1, 0.1, 0.99),
    )
    descend(optimiser, list(model.parameters()), 3)
    other.load_state_dict(model.state_dict())
    saved = OptimiserState(optimiser, model).state_dict()
    OptimiserState(fresh, other).load_state_dict(
        {name: value.clone() for name, value in saved.items()}
    )
    descend(optimiser, list(model.parameters()), 2, seed=2)
    descend(fresh, list(other.parameters()), 2, seed=2)
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), other.parameters(), strict=True)
    )


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\) belongs to AdamW"):
        Muon([torch.nn.Parameter(torch.zeros(3))], 0.1)
