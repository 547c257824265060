import pytest
import torch
from scipy import stats

from dit_lite.diffusion import PATHS, SPACINGS, TIMES, draw_times, time_grid
from dit_lite.diffusion.times import at_ratio

DISTRIBUTIONS = {
    "uniform": stats.uniform().cdf,
    "logit_normal": lambda t: stats.norm.cdf(torch.logit(torch.as_tensor(t)).numpy()),
}


def test_every_distribution_has_its_test():
    assert set(DISTRIBUTIONS) == set(TIMES)


@pytest.mark.parametrize("name", TIMES)
def test_single_draws_follow_their_distribution(name):
    generator = torch.Generator().manual_seed(0)
    t = torch.cat([draw_times(name, 1, generator) for _ in range(4000)]).double()
    assert stats.kstest(t.numpy(), DISTRIBUTIONS[name]).pvalue > 0.01


@pytest.mark.parametrize("name", TIMES)
def test_a_batch_has_one_time_in_each_equal_slice_of_probability(name):
    t = draw_times(name, 64, torch.Generator().manual_seed(3))
    slices = (torch.as_tensor(DISTRIBUTIONS[name](t.double().numpy())) * 64).floor()
    assert slices.sort().values.tolist() == list(range(64))


@pytest.mark.parametrize("name", TIMES)
def test_times_stay_inside_the_unit_interval(name):
    for u in (0.0, 0.5, 1 - 2**-24):
        t = TIMES[name](torch.tensor([u]))
        assert 0 <= t <= 1
    assert TIMES["logit_normal"](torch.tensor([0.0])) > 0


def test_the_generator_decides_the_times():
    first, again, other = (
        draw_times("logit_normal", 8, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_grid_runs_evenly_from_first_to_last():
    times = time_grid(0.999, -0.001, 10)
    assert (times.dtype, len(times), times[0].item(), times[-1].item()) == (
        torch.float64,
        11,
        0.999,
        -0.001,
    )
    torch.testing.assert_close(
        times.diff(), torch.full((10,), -0.1, dtype=torch.float64)
    )


@pytest.mark.parametrize("name", PATHS)
def test_the_time_of_a_ratio_is_where_the_path_has_it(name):
    t = torch.linspace(0.001, 0.998, 300, dtype=torch.float64)
    # so near to a step the ddpm path is at it
    torch.testing.assert_close(
        at_ratio(PATHS[name], PATHS[name].log_snr(t)), t, rtol=0, atol=2e-6
    )


def test_a_ratio_beyond_an_end_of_the_path_gives_the_end():
    ends = at_ratio(PATHS["ddpm"], torch.tensor([float("inf"), -float("inf")]))
    torch.testing.assert_close(
        ends, torch.tensor([PATHS["ddpm"].last, 1.0], dtype=torch.float64)
    )


@pytest.mark.parametrize("name", PATHS)
def test_steps_spaced_by_log_snr_are_equal_in_it_but_for_the_last(name):
    path = PATHS[name]
    times = SPACINGS["log_snr"](path, 0.99, 12)
    assert (times[0].item(), times[-1].item(), len(times)) == (0.99, path.last, 13)
    assert (times.diff() < 0).all()
    ratios = path.log_snr(times[:-1])
    torch.testing.assert_close(
        ratios, torch.linspace(ratios[0], -ratios[0], 12).double(), rtol=0, atol=1e-3
    )


def test_steps_spaced_by_log_snr_start_short_of_pure_noise():
    for start in (1.0, 0.4):
        with pytest.raises(ValueError, match=r"for example start=0\.999"):
            SPACINGS["log_snr"](PATHS["linear"], start, 12)
