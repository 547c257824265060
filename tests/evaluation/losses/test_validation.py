import torch

from dit_lite.data import digits
from dit_lite.diffusion import diffusion_loss
from dit_lite.evaluation import held_out, mislabelled, validation_loss


def test_every_model_meets_the_same_images_times_and_noise(alive):
    data = digits("test")
    torch.manual_seed(0)
    model = alive(num_classes=10, data_mean=-0.4, data_std=0.6)
    t, loss = validation_loss(model, data, repeats=2)
    torch.manual_seed(1)
    same_t, same_loss = validation_loss(model, data, repeats=2, batch_size=100)
    other_t, _ = validation_loss(alive(seed=1, num_classes=10), data, repeats=2)
    assert torch.equal(t, same_t)
    assert torch.equal(t, other_t)
    torch.testing.assert_close(loss, same_loss)
    assert t.shape == loss.shape == (710,)
    assert not loss.requires_grad


def test_times_are_spread_evenly(alive):
    t, _ = validation_loss(alive(num_classes=10), digits("test"), repeats=1)
    torch.testing.assert_close(t.sort().values, (torch.arange(355) + 0.5) / 355)


def test_the_loss_is_that_of_training(alive):
    """A constant model lets the loss be computed without the triples: it is
    |target|^2, whose mean over flow is E|eps - x0|^2.
    """
    model = alive(num_classes=10)
    for p in model.final.parameters():
        p.data.zero_()
    data = digits("test")
    _, loss = validation_loss(model, data, repeats=8)
    x0 = torch.from_numpy(data.images).float() / 127.5 - 1
    assert abs(loss.mean().item() - (1 + x0.square().mean().item())) < 0.02
    eps, t = torch.randn_like(x0), torch.rand(355)
    torch.testing.assert_close(
        diffusion_loss(model, x0, torch.from_numpy(data.labels), t, eps),
        (eps - x0).square().mean((1, 2, 3)),
    )


def test_every_label_of_mislabelled_data_is_wrong():
    data = held_out("digits")
    assert (mislabelled(data).labels != data.labels).all()
    assert mislabelled(data).images is data.images
