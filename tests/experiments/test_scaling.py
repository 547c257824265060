import dataclasses

import numpy as np
import pytest
import torch

from dit_lite.analysis.scaling_laws import Curve
from dit_lite.data import load_data
from dit_lite.diffusion.times import TIMES
from dit_lite.experiments.scaling import (
    attention_cost,
    isoflop_budgets,
    rate_transfer,
    scaling_grid,
)
from dit_lite.experiments.scaling import published_laws as published
from dit_lite.experiments.scaling._runs import (
    SHAPES,
    limited_to,
    member,
    run_config,
    sizes,
)
from dit_lite.lab import run_experiment
from dit_lite.lab.tuning import best_setting
from dit_lite.training import Trainer


def test_the_table_of_the_dit_paper_is_ordered_by_multiply_adds():
    """CAP-12: exponents over Psi differ by patch; multiply-adds explain what parameters
    do not, with the correlation of -0.93 that the paper reports (2212.09748 fig. 8).
    """
    values = run_experiment("published_laws", "smoke").values
    alphas = [one["alpha"] for one in values["exponents"]]
    assert alphas == pytest.approx([0.11, 0.29, 0.42], abs=0.005)
    found = {one["size"]: one for one in values["correlations"]}
    assert found["macs"]["r"] == pytest.approx(-0.93, abs=0.005)
    assert found["parameters"]["r_log"] == pytest.approx(-0.50, abs=0.005)
    by_name = {row["model"]: row for row in values["rows"]}
    assert by_name["XL/2"]["macs"] == pytest.approx(118.64e9, rel=1e-3)
    assert len(published.FID) == 12


def test_scores_grow_with_the_square_of_the_tokens_and_fused_memory_with_the_first_power():
    values = run_experiment("attention_cost", "smoke").values
    assert values["crossover"] == pytest.approx(6)
    small, large = (attention_cost.one_size(side, 16, 2) for side in (16, 24))
    found = attention_cost.exponents(small, large)
    assert found["score_macs"] == pytest.approx(2)
    assert found["fused_bytes"] == pytest.approx(1, abs=0.02)
    assert 1.5 < found["written_out_bytes"] < 2


def test_a_prediction_of_the_largest_holds_for_curves_of_a_law():
    """Curves made from a law, with a little noise: the largest is predicted, from the
    points after `fit_from`, before which the law does not hold.
    """
    law, rng = Curve(0.2, 40.0, 0.45, 6.0, 0.38), np.random.default_rng(0)
    images = [5_000 * 2**k for k in range(6)]

    def curve(width: int, seed: int) -> dict:
        cost = sizes(member(SHAPES, width=width, patch_size=8))
        losses = law.predict(cost["parameters"], np.array(images)) * np.exp(
            0.003 * rng.standard_normal(6)
        )
        losses[0] *= 1.5
        return cost | dict(
            width=width, patch_size=8, seed=seed, images=images, losses=losses.tolist()
        )

    small = [curve(w, seed) for w in (16, 32, 64, 128) for seed in range(3)]
    ahead = scaling_grid.predict(SHAPES, small, 192, 10_000)
    assert ahead["date"]
    large = scaling_grid.points([curve(192, seed) for seed in range(3)])
    judged = scaling_grid.judged(ahead["predicted"], large)
    assert len(judged) == 3 * 5
    for row in judged:
        assert row["predicted"] == pytest.approx(row["loss"], rel=0.03)
        assert row["low"] < row["predicted"] < row["high"]


def test_times_are_weighted_as_training_draws_them():
    """A mean over even times with these weights is a mean over drawn times."""
    t = (torch.arange(20_000) + 0.5) / 20_000
    drawn = TIMES["logit_normal"](t.double())
    for power in (1, 2, 5):
        weighted = (scaling_grid.training_density(t.double()) * t**power).mean()
        assert weighted == pytest.approx(float((drawn**power).mean()), rel=1e-3)


def test_few_shapes_come_again_and_fresh_ones_never_do():
    config = run_config(SHAPES, 4, 0, width=16)
    trainer = Trainer(config)
    seen = [trainer.loader.next(trainer.generator)[0] for _ in range(4)]
    assert len(torch.cat(seen).flatten(1).unique(dim=0)) == 4 * config.batch_size
    few = dataclasses.replace(
        load_data("shapes"), images=load_data("shapes").images[:16],
        labels=load_data("shapes").labels[:16], fresh=False,
    )  # fmt: skip
    again = Trainer(config, data=few)
    pictures = again.loader.next(again.generator)[0]
    assert len(pictures.flatten(1).unique(dim=0)) <= 16


def test_a_run_on_limited_images_sees_each_once_and_then_again():
    config = run_config(SHAPES, 4, 0, width=16)
    trainer, count = Trainer(config), 4 * config.batch_size
    limited_to(config, count)(trainer)
    seen = [trainer.loader.next(trainer.generator)[0] for _ in range(8)]
    once, again = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert len(once.flatten(1).unique(dim=0)) == count
    assert torch.equal(once.flatten(1).unique(dim=0), again.flatten(1).unique(dim=0))
    assert not torch.equal(once, again)


def test_runs_that_diverged_are_no_part_of_a_valley():
    rows = [
        dict(budget=b, parameters=p, loss=1e3 / b + np.log(p / b) ** 2 / 100)
        for b in (1e4, 2e4, 4e4)
        for p in (b / 2, b / 1.5, b, 1.5 * b, 2 * b)
    ]
    found = isoflop_budgets.valley([*rows, rows[0] | {"loss": None}])
    assert found["parameters"] == pytest.approx([1e4, 2e4, 4e4], rel=1e-3)
    assert found["exponent"] == pytest.approx(1, abs=1e-3)


def test_the_best_rate_is_that_of_the_mean_and_divergence_loses():
    rows = [
        dict(mup=mup, width=w, lr=lr, seed=seed, loss=loss + 0.01 * seed)
        for mup in (False, True)
        for w in (16, 64)
        for lr, loss in ((1e-3, 0.5), (2e-3, 0.4), (4e-3, 0.45))
        for seed in (0, 1)
    ]
    rows[2] |= {"loss": None}  # standard, 16, 2e-3
    best = [
        best_setting(rows, mup=mup, width=w) for mup in (False, True) for w in (16, 64)
    ]
    assert [one["lr"] for one in best] == [4e-3, 2e-3, 2e-3, 2e-3]
    assert [one["bracketed"] for one in best] == [False, True, True, True]
    standard, flat = rate_transfer.drift(best)
    assert standard["slope"] == pytest.approx(-0.5)
    assert flat["slope"] == pytest.approx(0, abs=1e-12)
