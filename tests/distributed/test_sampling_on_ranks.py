import functools

import pytest
import torch
from processes import run

from dit_lite import DiT, DiTConfig, sample
from dit_lite.distributed.sampling import Halves, sample_together

LABELS = [0, 1, 2, 3, 4] * 3
HOW = dict(steps=3, seed=4, guidance=2.0)


def model():
    made = DiT(DiTConfig(width=32, depth=2)).eval()
    generator = torch.Generator().manual_seed(0)
    for p in made.parameters():
        p.data.normal_(0, 0.2, generator=generator)
    return made


@functools.cache
def alone(sampler):
    return run(1, one, sampler, group=False)[0]


def one(sampler):
    return sample(model(), LABELS, batch_size=4, sampler=sampler, **HOW)


def dealt(sampler):
    return sample_together(model(), LABELS, batch_size=4, sampler=sampler, **HOW)


def halved(sampler):
    both, calls = Halves(model()), []
    both.module.register_forward_hook(lambda m, i, o: calls.append(i[2].tolist()))
    images = sample(both, [1, 2, 3], sampler=sampler, **HOW)
    return images, sample(model(), [1, 2, 3], sampler=sampler, **HOW), calls


@pytest.mark.parametrize(("sampler", "world"), [("heun", 2), ("ddpm", 4)])
def test_the_images_are_those_of_one_process(sampler, world):
    for images in run(world, dealt, sampler):
        assert torch.equal(images, alone(sampler))


def test_one_rank_answers_with_the_class_and_one_without():
    ranks = run(2, halved, "heun")
    for images, expected, _ in ranks:
        torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(images, ranks[0][0])
    assert {tuple(labels) for labels in ranks[0][2]} == {(1, 2, 3)}
    assert {tuple(labels) for labels in ranks[1][2]} == {(10, 10, 10)}
