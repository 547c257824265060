import pytest
import torch

from dit_lite import DiT
from dit_lite.model import MLPS


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_both_forms_have_about_as_many_parameters(tiny, ratio):
    sizes = {
        name: sum(
            p.numel()
            for p in MLPS[name](tiny(width=96, mlp=name, mlp_ratio=ratio)).parameters()
        )
        for name in MLPS
    }
    assert sizes["swiglu"] == pytest.approx(sizes["gelu"], rel=0.01)


def test_swiglu_is_that_of_diffusers(alive):
    from diffusers.models.activations import SwiGLU

    mine = alive(mlp="swiglu").blocks[0].mlp
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0))
    other = SwiGLU(16, 43)  # value first, gate second
    weight, bias = mine.enter.weight.chunk(2), mine.enter.bias.chunk(2)
    other.proj.weight.data, other.proj.bias.data = (
        torch.cat(weight[::-1]),
        torch.cat(bias[::-1]),
    )
    torch.testing.assert_close(mine(x), mine.leave(other(x)))


def test_gelu_is_that_of_diffusers(alive):
    from diffusers.models.activations import GELU

    mine = alive().blocks[0].mlp
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0))
    other = GELU(16, 64, approximate="tanh")
    other.proj.load_state_dict(mine[0].state_dict())
    torch.testing.assert_close(mine(x), mine[2](other(x)))


@pytest.mark.parametrize("name", MLPS)
def test_every_form_learns_in_the_model(alive, batch, name):
    model = alive(mlp=name)
    model(*batch(model.config)).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.blocks[1].mlp.parameters())
    assert isinstance(DiT(model.config).blocks[0].mlp, MLPS[name])
