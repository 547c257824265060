import pytest

from dit_lite.lab import load_result
from dit_lite.lab.tuning import best_setting


def runs(losses: dict, **arm) -> list[dict]:
    """Rows of one arm: the losses of each rate, by seed."""
    return [
        arm | dict(lr=lr, seed=seed, loss=loss)
        for lr, some in losses.items()
        for seed, loss in enumerate(some)
    ]


def test_the_best_rate_has_the_lowest_mean_and_divergence_loses():
    rows = runs({1e-3: (0.5, 0.5), 2e-3: (0.3, 0.6), 4e-3: (0.2, None)}, width=32)
    other = runs({1e-3: (0.1, 0.1)}, width=64)
    assert best_setting(rows + other, width=32) == {
        "width": 32, "lr": 2e-3, "loss": pytest.approx(0.45), "bracketed": True,
    }  # fmt: skip
    assert not best_setting(rows + other, width=64)["bracketed"]


def test_two_values_are_chosen_together_and_each_has_to_be_bracketed():
    rows = [
        dict(batch_size=b, lr=lr, loss=abs(b - 4) + abs(lr - 2))
        for b in (2, 4, 8)
        for lr in (1, 2, 3)
    ]
    found = best_setting(rows, ("batch_size", "lr"))
    assert (found["batch_size"], found["lr"], found["bracketed"]) == (4, 2, True)
    narrow = [row for row in rows if row["batch_size"] >= 4]
    assert not best_setting(narrow, ("batch_size", "lr"))["bracketed"]


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("conditioning_race", "way"), ("layer_shares", "share"),
        ("modern_components", "option"), ("patch_sizes", "patch"),
        ("steps_or_size", "width"),
    ],
)  # fmt: skip
def test_recorded_runs_had_the_best_rate_of_their_sweep(name, arm):
    result = load_result(name)
    of = ("batch_size", "lr") if name == "patch_sizes" else ("lr",)
    for row in result.rows:
        best = best_setting(result.values["tuning"], of, **{arm: row[arm]})
        assert {key: row[key] for key in of} == {key: best[key] for key in of}
