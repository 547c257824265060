import torch

from dit_lite import sample
from dit_lite.analysis import LabelSchedule


def test_the_label_follows_the_time(alive, batch):
    model = alive()
    x, _, _ = batch(model.config, size=4)
    t, y = torch.tensor([0.1, 0.4, 0.6, 0.9]), torch.tensor([0, 1, 2, 0])
    scheduled = LabelSchedule(model, lambda t, y: torch.where(t > 0.5, y, (y + 1) % 3))
    assert torch.equal(scheduled(x, t, y), model(x, t, torch.tensor([1, 2, 2, 0])))


def test_no_class_stays_no_class(alive, batch):
    model = alive()
    x, t, y = batch(model.config)
    none = torch.full_like(y, model.config.num_classes)
    assert torch.equal(
        LabelSchedule(model, lambda t, y: torch.zeros_like(y))(x, t, none),
        model(x, t, none),
    )


def test_a_class_that_does_not_change_samples_as_ever(alive):
    model = alive(std=0.1)
    options = dict(steps=3, guidance=2.0, seed=1)
    assert torch.equal(
        sample(LabelSchedule(model, lambda t, y: y), [0, 2], **options),
        sample(model, [0, 2], **options),
    )
