import pytest
import torch

from dit_lite.analysis import agree_by_chance, partial_by_chance, rank_correlation


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


@pytest.mark.parametrize(("seeds", "directions"), [(3, 1), (3, 20), (5, 4)])
def test_seeds_that_agree_by_chance_are_counted_by_throwing_coins(seeds, directions):
    coins = torch.rand(
        20_000, directions, seeds, generator=torch.Generator().manual_seed(0)
    )
    up = (coins > 0.5).sum(2)
    thrown = ((up == 0) | (up == seeds)).any(1).double().mean().item()
    assert agree_by_chance(seeds, directions) == pytest.approx(thrown, abs=0.015)


def test_no_seeds_agree_on_nothing():
    with pytest.raises(ValueError, match="use 1 or more"):
        agree_by_chance(0)
