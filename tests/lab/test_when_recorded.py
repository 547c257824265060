"""What a page shows of a result before and after it is recorded."""

import pytest

from dit_lite.lab import Pending, run_experiment, when_recorded


def test_a_result_is_shown_once_it_is_recorded(checkout, squares):
    squares("toy_squares", 3)
    before = when_recorded("toy_squares", lambda result: result.values["n"])
    assert isinstance(before, Pending)
    for said in (repr(before), before._repr_markdown_()):
        assert "What are squares?" in said
        assert "experiment run toy_squares --budget cpu" in said
    run_experiment("toy_squares", "smoke")
    assert isinstance(when_recorded("toy_squares", str), Pending)
    run_experiment("toy_squares", "cpu")
    assert when_recorded("toy_squares", lambda result: result.values["n"]) == 3


def test_an_unknown_experiment_is_refused():
    with pytest.raises(ValueError, match="choose one of"):
        when_recorded("no_such", str)
