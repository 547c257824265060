import math

import pytest

from dit_lite import TrainConfig
from dit_lite.training.loop import Trainer
from dit_lite.training.schedule import learning_rate


def rates(schedule: str, warmup: int = 0) -> list[float]:
    return [learning_rate(schedule, step, 8, warmup) for step in range(9)]


def test_the_cosine_ends_at_zero_and_as_written_it_ends_at_minus_one():
    assert rates("cosine")[::2] == pytest.approx([1, 0.854, 0.5, 0.146, 0], abs=1e-3)
    assert rates("cosine_as_written")[::2] == pytest.approx(
        [1, math.sqrt(0.5), 0, -math.sqrt(0.5), -1], abs=1e-9
    )


def test_warm_up_rises_to_the_peak_before_the_schedule_begins():
    assert rates("constant", 4) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]
    assert rates("cosine", 4)[4] == 1


def test_the_second_half_of_the_cosine_as_written_climbs(tiny):
    config = TrainConfig(
        data="digits", steps=120, batch_size=32, lr=4e-3, warmup=0,
        schedule="cosine_as_written",
        model=tiny(num_classes=10, width=32),
    )  # fmt: skip
    trainer = Trainer(config)
    losses = [trainer.train_step()[0].item() for _ in range(120)]
    first, middle, last = (sum(losses[i : i + 10]) / 10 for i in (0, 55, 110))
    assert middle < 0.8 * first
    assert last > 1.2 * middle
