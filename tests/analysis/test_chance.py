import pytest
import torch

from dit_lite.analysis import partial_by_chance, rank_correlation


def test_where_the_covariate_decides_chance_scatters_about_the_measured():
    generator = torch.Generator().manual_seed(0)
    n = 60
    given = torch.linspace(-2, 2, n)
    cause = -given + 0.3 * torch.randn(n, generator=generator)
    share = (given + 0.2 * torch.randn(n, generator=generator)).sigmoid()
    chance = partial_by_chance(cause, share, given, degree=1, draws=200)
    measured = rank_correlation(cause, share, given)
    assert chance.shape == (200,)
    assert chance.quantile(0.02) < measured < chance.quantile(0.98)


def test_what_the_cause_adds_by_itself_is_beyond_chance():
    generator = torch.Generator().manual_seed(1)
    n = 60
    given = torch.randn(n, generator=generator)
    cause = torch.randn(n, generator=generator)
    share = (given + cause).sigmoid()
    chance = partial_by_chance(cause, share, given, degree=1, draws=200)
    assert rank_correlation(cause, share, given) > chance.max()


def test_a_seed_gives_the_same_draws():
    x = torch.linspace(0.1, 0.9, 10)
    one, again = (partial_by_chance(x, x, x.flip(0), 1, 5, seed=3) for _ in range(2))
    assert one.tolist() == pytest.approx(again.tolist())
