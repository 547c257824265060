import torch

from dit_lite import preset
from dit_lite.diffusion import LinearDenoiser
from dit_lite.evaluation import (
    held_out,
    linear_loss_by_time,
    real_images,
    validation_loss,
)

CONFIG, DATA = preset("digits"), held_out("digits")
IMAGES, LABELS = real_images("train")


def test_one_denoiser_of_all_classes_has_the_validation_loss_of_its_own():
    t, loss = validation_loss(LinearDenoiser(IMAGES, CONFIG), DATA, repeats=1)
    found = linear_loss_by_time(IMAGES, None, DATA, CONFIG, bins=5)
    tenths = torch.stack([loss[(t * 10).long() == i].mean() for i in range(10)])
    torch.testing.assert_close(found, tenths.view(5, 2).mean(1))


def test_a_denoiser_for_each_class_is_better_where_there_is_noise():
    one, ten = (
        linear_loss_by_time(IMAGES, group, DATA, CONFIG) for group in (None, LABELS)
    )
    assert ten.shape == (10,)
    assert (ten < one)[2:].all()
