import pytest
import torch

from dit_lite import DiT, preset
from dit_lite.analysis import influence


def test_it_is_the_norm_of_the_blocks_of_the_jacobian():
    g = torch.Generator().manual_seed(0)
    mix, width = torch.randn(5, 5, generator=g), torch.randn(3, 2, generator=g)
    found = influence(
        lambda x: torch.einsum("ij,bjd,de->bie", mix, x, width),
        torch.randn(5, 3, generator=g),
    )
    torch.testing.assert_close(found, mix.abs() * width.norm())


def test_it_equals_autograd_on_a_nonlinear_map():
    tokens = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))

    def f(x):
        return (x @ x.transpose(1, 2)).softmax(-1) @ x

    # (4, 3, 4, 3)
    jacobian = torch.autograd.functional.jacobian(lambda x: f(x[None])[0], tokens)
    torch.testing.assert_close(
        influence(f, tokens), jacobian.square().sum((1, 3)).sqrt()
    )


def test_a_token_wise_map_has_no_influence_across():
    found = influence(lambda x: x.sin(), torch.randn(6, 2))
    assert torch.equal(found, found.diag().diag())


def test_the_blocks_of_an_untrained_model_are_the_identity():
    model = DiT(preset("digits"))
    condition = model.condition(torch.tensor([0.5]), torch.tensor([1]))
    found = influence(lambda x: model.blocks[0](x, condition), torch.randn(16, 64))
    torch.testing.assert_close(found, 8 * torch.eye(16))  # the norm of a 64x64 identity


@pytest.mark.parametrize(
    ("tokens", "f"),
    [(torch.randn(1, 4, 3), torch.sin), (torch.randn(4, 3), lambda x: x[:, :2])],
)
def test_other_shapes_are_refused(tokens, f):
    with pytest.raises(ValueError, match="tokens"):
        influence(f, tokens)
