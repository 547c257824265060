"""Words that do not change are read once: the answers stay what they were."""

import pytest
import torch

from dit_lite.diffusion import Denoiser, sample, trajectory
from dit_lite.model import CONDITIONING
from dit_lite.model.word_cache import WordCache

CAPTION = dict(condition="caption", vocab_size=7, caption_length=4)
Y = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]])


def readings(model) -> list:
    """A list that grows by one at every product with a key-value matrix."""
    calls = []
    for block in model.blocks:
        block.cross.key_value.register_forward_hook(lambda *_: calls.append(1))
    return calls


@pytest.mark.parametrize("conditioning", CONDITIONING)
@pytest.mark.parametrize("sampler", ["heun", "ddim"])
def test_samples_are_those_without_a_cache_to_the_last_bit(
    alive, monkeypatch, conditioning, sampler
):
    model = alive(conditioning=conditioning, **CAPTION)
    asked = dict(steps=4, guidance=2.0, sampler=sampler, interval=(0.2, 0.7))
    cached = sample(model, Y, **asked)
    monkeypatch.setattr(WordCache, "using", lambda self, y: torch.no_grad())
    assert torch.equal(sample(model, Y, **asked), cached)


def test_keys_and_values_are_computed_once_for_a_walk(alive):
    model = alive(conditioning="adaln_zero_cross", **CAPTION)
    calls = readings(model)
    sample(model, Y, steps=5, guidance=2.0)
    assert len(calls) == model.config.depth
    sample(model, Y, steps=5, guidance=1.0)
    assert len(calls) == 2 * model.config.depth


def test_another_caption_in_mid_walk_is_read(alive):
    model = alive(conditioning="adaln_zero_cross", **CAPTION)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for guidance in (1.0, 2.0):
            denoise = Denoiser(model, Y.clone(), guidance)
            first = denoise(x, 0.5).x0
            denoise.labels = Y.flip(0)
            other = Denoiser(model, Y.flip(0), guidance)(x, 0.5).x0
            assert torch.equal(denoise(x, 0.5).x0, other)
            denoise.labels[:] = Y  # the same tensor, changed in place
            assert torch.equal(denoise(x, 0.5).x0, first)
            assert not torch.equal(first, other)


def test_nothing_stays_behind_on_the_model(alive):
    model = alive(conditioning="adaln_zero_cross", **CAPTION)
    steps = trajectory(model, Y, steps=3)
    with torch.no_grad():
        next(steps)
    assert all(block.cross.kept is None for block in model.blocks)
    cache = WordCache(model)
    with pytest.raises(KeyError), torch.no_grad(), cache.using(Y):
        raise KeyError
    assert all(block.cross.kept is None for block in model.blocks)


def test_changed_weights_are_seen_once_the_cache_forgets(alive, batch):
    model = alive(conditioning="adaln_zero_cross", **CAPTION)
    x, t, y = batch(model.config)
    cache = WordCache(model)

    @torch.no_grad()
    def answer() -> torch.Tensor:
        with cache.using(y):
            return model(x, t, y)

    before = answer()
    for block in model.blocks:
        block.cross.key_value.weight.data.mul_(-1)
    assert torch.equal(answer(), before)
    cache.forget()
    assert not torch.equal(answer(), before)


def test_gradients_flow_as_without_a_cache(alive, batch):
    model = alive(conditioning="adaln_zero_cross", **CAPTION)
    x, t, y = batch(model.config)
    cache = WordCache(model)
    for _ in range(2):
        with cache.using(y):
            model(x, t, y).sum().backward()
    assert model.blocks[0].cross.key_value.weight.grad.any()
