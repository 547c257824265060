import pytest
import torch

from dit_lite.evaluation import (
    Interval,
    bootstrap,
    frechet_distance,
    gaussian,
    half_samples,
    share,
)


def features(n: int, seed: int, d: int = 16) -> torch.Tensor:
    return torch.randn(
        n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def mean(values: torch.Tensor) -> float:
    return values.mean().item()


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize(("method", "repeats"), [(bootstrap, 400), (half_samples, 200)])
def test_the_interval_of_an_accuracy_is_that_of_a_share(method, repeats):
    right = torch.arange(1000).remainder(5).ne(0).double()  # 80 % of 1,000
    found = method(mean, right, repeats=repeats)
    assert found.value == pytest.approx(0.8)
    assert (found.high - found.low) / 2 == pytest.approx(
        1.96 * (0.8 * 0.2 / 1000) ** 0.5, rel=0.15
    )
    assert method(mean, right, repeats=repeats) == found
    assert method(mean, right, repeats=repeats, seed=1) != found


def test_the_bootstrap_misses_a_frechet_distance_and_half_samples_hold_it():
    """The truth is the expected distance at this count; repeated images carry their
    bias twice, so that every bootstrap interval lies above.
    """
    real = gaussian(features(200, 100))

    def distance(made):
        return frechet_distance(real, gaussian(made))

    truth = sum(distance(features(200, 1000 + s)) for s in range(60)) / 60
    repeated = [bootstrap(distance, features(200, s), repeats=40) for s in range(12)]
    halved = [half_samples(distance, features(200, s), repeats=40) for s in range(12)]
    assert not any(covers(found, truth) for found in repeated)
    assert all(found.low > found.value for found in repeated)
    assert sum(covers(found, truth) for found in halved) >= 11


def test_the_interval_of_a_share_is_wilsons_and_stays_open_when_all_are_right():
    # scipy.stats.binomtest(80, 100).proportion_ci(method="wilson")
    ends = pytest.approx((0.8, 0.7111708, 0.8666331), abs=1e-6)
    found = share(torch.arange(100) < 80)
    assert (found.value, found.low, found.high) == ends
    assert share(torch.ones(100)).low == pytest.approx(
        1 / (1 + 1.959964**2 / 100), abs=1e-6
    )
    assert share(torch.ones(100)).high == 1
    with pytest.raises(ValueError, match="samples have 0 rows"):
        share(torch.ones(0))


def test_rows_that_belong_together_stay_together():
    x = torch.arange(50.0)

    def apart(a, b):
        assert torch.equal(a, -b)
        return a.mean().item()

    for method in (bootstrap, half_samples):
        method(apart, x, -x, repeats=30)


def test_an_interval_prints_itself():
    assert str(Interval(0.5, 0.25, 0.75)) == "0.5 [0.25, 0.75]"


@pytest.mark.parametrize("method", [bootstrap, half_samples])
@pytest.mark.parametrize(
    ("samples", "arguments", "said"),
    [
        (
            (torch.ones(3), torch.ones(4)),
            {},
            "samples have 3, 4 rows; expected arrays of one length",
        ),
        ((torch.ones(0),), {}, "samples have 0 rows"),
        (
            (torch.ones(9),),
            dict(repeats=5),
            "repeats=5 are too few for level=0.95; use at least 20",
        ),
    ],
)
def test_what_cannot_be_resampled_is_refused(method, samples, arguments, said):
    with pytest.raises(ValueError, match=said):
        method(lambda *parts: mean(parts[0]), *samples, **arguments)


def test_too_few_to_halve_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="n=3 samples cannot be halved"):
        half_samples(mean, torch.ones(3))
    with pytest.raises(
        ValueError,
        match="half of the n=20 samples, and half are not enough: n=10 images are too "
        "few for the Fréchet distance in d=16",
    ):
        half_samples(
            lambda made: frechet_distance(features(20, 0), made), features(20, 1)
        )
