import numpy as np
import pytest
import torch

from dit_lite.widgets import mean_range, mean_std, table

SEEDS = [0.25, 0.5, 0.9]


def test_a_table_is_markdown_that_every_home_reads():
    shown = table("name | size", [["`a`", 1200], ["b", 3]], "*below*")
    assert shown._repr_markdown_().splitlines() == [
        "| name | size |",
        "| --- | --- |",
        "| `a` | 1,200 |",
        "| b | 3 |",
        "",
        "*below*",
    ]
    assert repr(shown) == shown._repr_markdown_()


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("as it is", "as it is"),
        (12345, "12,345"),
        (np.int64(7), "7"),
        (0.5, "0.50"),
        (torch.tensor(0.5), "0.50"),
        (torch.tensor(SEEDS), f"0.55 ± {np.std(SEEDS, ddof=1):.2f}"),
        (np.array(SEEDS), f"0.55 ± {np.std(SEEDS, ddof=1):.2f}"),
    ],
)
def test_a_cell_is_formatted_by_what_it_is(cell, shown):
    assert table(["x"], [[cell]], digits=2).rows == [[shown]]


@pytest.mark.parametrize(
    ("centre", "spread", "shown"),
    [
        (1007.9, 419.6, "1,008 ± 420"),
        (0.2119, 0.0004, "0.2119 ± 0.0004"),
        (0.00248, 0.00003, "0.00248 ± 0.00003"),
        (0.0126, 0.0117, "0.0126 ± 0.0117"),
        (2.0, 0.0, "2.00 ± 0.00"),
        (0.0, 0.0, "0 ± 0"),
    ],
)
def test_the_decimals_of_a_cell_follow_its_size(centre, spread, shown):
    seeds = np.array([centre - spread, centre, centre + spread])
    assert table(["x"], [[seeds]], digits=None).rows == [[shown]]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"rows\[1\] has 1 cells; expected 2"):
        table("a | b", [[1, 2], [3]])


def test_a_summary_over_seeds_is_that_of_torch():
    values = torch.rand(7, generator=torch.Generator().manual_seed(0))
    assert mean_std(values, 4) == f"{values.mean():.4f} ± {values.std():.4f}"
    low, high = values.min(), values.max()
    assert mean_range(values, "+.2f") == (
        f"{values.mean():+.2f} ({low:+.2f} to {high:+.2f})"
    )


def test_seeds_that_read_alike_are_one_number():
    assert mean_range(torch.tensor([0.001, 0.002, 0.004]), ".2f") == "0.00"
    assert mean_range(torch.tensor([0.001, 0.002, 0.004]), ".3f") == (
        "0.002 (0.001 to 0.004)"
    )
