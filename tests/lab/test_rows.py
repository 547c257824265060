import math

import pytest
import torch

from dit_lite.config import ConfigError
from dit_lite.lab import Rows, load_result

ROWS = Rows(
    {
        "arm": arm,
        "seed": seed,
        "pair": [0.0, 1.0],
        "loss": 10.0 * place + seed,
        "scores": {"judge": {"accuracy": seed / 10}},
        "error": None if seed else 0.5,
    }
    for place, arm in enumerate(("b", "a"))
    for seed in (1, 0)
)


def test_rows_are_selected_by_the_values_of_their_fields():
    (row,) = ROWS.select(arm="a", seed=1)
    assert row["loss"] == 11
    assert len(ROWS.select(pair=(0.0, 1.0))) == 4, "a pair is a list in JSON"
    assert isinstance(ROWS.select(arm="a"), Rows)


def test_a_selection_that_finds_nothing_says_what_there_is():
    with pytest.raises(
        ConfigError, match=r"no row has arm='c'; arm is one of 'b', 'a'"
    ):
        ROWS.select(arm="c")
    with pytest.raises(ConfigError, match="field 'armm'"):
        ROWS.select(armm="a")


def test_a_column_keeps_the_order_of_the_rows_and_reads_inside_them():
    assert ROWS.column("loss").tolist() == [1, 0, 11, 10]
    assert torch.equal(
        ROWS.column("scores.judge.accuracy"), torch.tensor([0.1, 0, 0.1, 0])
    )
    assert ROWS.column("pair").shape == (4, 2)
    missing = ROWS.column("error").tolist()
    assert math.isnan(missing[0])
    assert missing[1] == 0.5
    with pytest.raises(ConfigError, match="'jury' is not among judge"):
        ROWS.column("scores.jury")


def test_a_curve_has_its_seeds_side_by_side():
    arms, loss = ROWS.sorted_by("seed").over("arm", "loss")
    assert arms == ["a", "b"]
    assert loss.tolist() == [[10, 11], [0, 1]]


def test_distinct_values_come_in_the_order_of_their_appearance():
    assert ROWS.distinct("arm") == ["b", "a"]
    assert ROWS.distinct("pair") == [[0.0, 1.0]]


def test_a_recorded_result_is_read_by_its_rows_and_parts():
    result = load_result("size_and_class")
    assert result.rows == result.values["rows"]
    widths, loss = result.select(guidance=1.0).over("width", "loss")
    by_hand = [
        [r["loss"] for r in result.values["rows"]
         if r["width"] == width and r["guidance"] == 1.0]
        for width in widths
    ]  # fmt: skip
    assert torch.equal(loss, torch.tensor(by_hand))
    assert result.part("slopes") == result.values["slopes"]
