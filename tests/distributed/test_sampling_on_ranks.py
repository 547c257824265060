import functools

import pytest
import torch
from processes import run

from dit_lite import DiT, DiTConfig, sample
from dit_lite.distributed.sampling import sample_together

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


@pytest.mark.parametrize(("sampler", "world"), [("heun", 2), ("ddpm", 4)])
def test_the_images_are_those_of_one_process(sampler, world):
    for images in run(world, dealt, sampler):
        assert torch.equal(images, alone(sampler))
