import pytest

from dit_lite import TrainConfig
from dit_lite.evaluation import held_out, mean_loss
from dit_lite.lab.arms import train_arm
from dit_lite.training import DivergedError

RUN = dict(data="digits", batch_size=8, changes=dict(width=16, depth=1, heads=2))


def test_every_look_is_at_the_average_after_so_many_steps():
    data = held_out("digits", 20)
    model, losses = train_arm(
        TrainConfig(steps=4, **RUN), [1, 4], lambda model: mean_loss(model, data, 1)
    )
    assert len(losses) == 2
    assert losses[-1] == mean_loss(model, data, 1)


def test_a_run_that_diverges_is_called_so():
    with pytest.raises(DivergedError, match="lower lr"):
        train_arm(
            TrainConfig(
                steps=2, **(RUN | dict(changes=RUN["changes"] | dict(data_std=1e-25)))
            ),
            [2],
            lambda model: 0,
        )
