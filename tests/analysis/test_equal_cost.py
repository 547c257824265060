import math

import pytest

from dit_lite.analysis import loss_after

AT, LOSS = [10, 100, 1000], [1.0, 0.5, 0.4]


def test_the_loss_between_two_looks_lies_on_a_line_over_the_logarithm():
    assert loss_after(100, AT, LOSS) == pytest.approx(0.5, rel=1e-12)
    assert loss_after(math.sqrt(10 * 100), AT, LOSS) == pytest.approx(0.75)
    assert loss_after(math.sqrt(100 * 1000), AT, LOSS) == pytest.approx(0.45)


def test_a_run_that_ended_earlier_has_no_loss_there():
    assert math.isnan(loss_after(1100, AT, LOSS))
    assert loss_after(1000.5, AT, LOSS) == 0.4, "to rounding"
