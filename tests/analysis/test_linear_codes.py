import pytest
import torch

from dit_lite.analysis import energy_lost

GENERATOR = torch.Generator().manual_seed(0)
W = torch.randn(3, 8, generator=GENERATOR)


def test_a_square_code_of_full_rank_loses_nothing():
    rows = torch.randn(50, 8, generator=GENERATOR)
    square = torch.randn(8, 8, generator=GENERATOR)
    assert energy_lost(rows, square) < 1e-6


def test_white_noise_loses_the_dimensions_that_are_not_seen():
    rows = torch.randn(20000, 8, generator=GENERATOR)
    assert energy_lost(rows, W) == pytest.approx(1 - 3 / 8, abs=0.01)
    assert energy_lost(rows, W, torch.eye(8)) == pytest.approx(energy_lost(rows, W))


def test_the_covariance_gives_the_best_linear_decoder():
    mix = torch.randn(8, 8, generator=GENERATOR, dtype=torch.float64)
    rows = torch.randn(5000, 8, generator=GENERATOR, dtype=torch.float64) @ mix
    rows = rows - rows.mean(0)
    lost = energy_lost(rows, W, rows.T @ rows / len(rows))
    code = rows @ W.double().T
    fit = torch.linalg.lstsq(code, rows)  # no linear map can do better than this
    best = (rows - code @ fit.solution).square().sum() / rows.square().sum()
    assert lost == pytest.approx(best.item(), rel=1e-9)
