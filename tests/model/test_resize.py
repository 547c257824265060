import pytest
import torch
import torch.nn.functional as F

from dit_lite import DiT
from dit_lite.config import ConfigError
from dit_lite.model import POSITIONS, patchify, resample, resize


@pytest.mark.parametrize(("old", "new"), [(2, 4), (4, 2), (3, 5), (2, 2)])
def test_resampling_is_bilinear_interpolation(old, new):
    picture = torch.randn(1, 1, old, old)
    wanted = F.interpolate(
        picture, size=(new, new), mode="bilinear", antialias=new < old
    )
    torch.testing.assert_close(resample(old, new) @ picture.flatten(), wanted.flatten())


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(
    ("image_size", "patch_size"), [(16, 2), (16, 4), (8, 4), (12, 2), (4, 2), (8, 1)]
)
def test_every_size_and_patch_gives_an_image(alive, position, image_size, patch_size):
    model = resize(alive(position=position, channels=2), image_size, patch_size)
    assert (model.config.image_size, model.config.patch_size) == (
        image_size,
        patch_size,
    )
    x = torch.randn(2, 2, image_size, image_size)
    assert model(x, torch.tensor([0.1, 0.9]), torch.tensor([0, 1])).shape == x.shape


def test_enlarged_patches_give_the_same_tokens(alive):
    model = alive(channels=3)
    larger = resize(model, 16, 4)
    x = torch.randn(2, 3, 8, 8)
    # each patch on its own
    patches = (
        patchify(x, 2).unflatten(-1, (2, 2, 3)).permute(0, 1, 4, 2, 3).flatten(0, 1)
    )
    enlarged = (
        F.interpolate(patches, size=(4, 4), mode="bilinear")
        .unflatten(0, (2, 16))
        .permute(0, 1, 3, 4, 2)
        .flatten(2)
    )
    ours = F.linear(enlarged, larger.embed.weight, larger.embed.bias)
    torch.testing.assert_close(ours, model.embed(x), rtol=1e-4, atol=1e-4)


def test_the_same_tokens_give_enlarged_patches(alive):
    model = alive(channels=2)
    larger = resize(model, 16, 4)
    tokens = torch.randn(3, 16)
    small = model.final.linear(tokens).unflatten(-1, (2, 2, 2)).permute(0, 3, 1, 2)
    wanted = (
        F.interpolate(small, size=(4, 4), mode="bilinear")
        .permute(0, 2, 3, 1)
        .flatten(1)
    )
    torch.testing.assert_close(
        larger.final.linear(tokens), wanted, rtol=1e-4, atol=1e-4
    )


def test_everything_but_the_pixel_layers_is_shared(alive):
    model = alive()
    other = dict(resize(model, 16, 4).named_parameters())
    own = {
        name
        for name, p in model.named_parameters()
        if other[name] is not p and other[name].data_ptr() != p.data_ptr()
    }
    assert own == {"embed.weight", "final.linear.weight", "final.linear.bias"}


def test_a_patch_that_does_not_divide_the_image_is_refused(tiny):
    with pytest.raises(ConfigError, match="patch_size=3 does not divide image_size=16"):
        resize(DiT(tiny()), 16, 3)


def test_a_model_in_bf16_takes_other_patches(alive):
    model = alive(patch_size=2).bfloat16()
    resized = resize(model, model.config.image_size, 4)
    assert {p.dtype for p in resized.parameters()} == {torch.bfloat16}
