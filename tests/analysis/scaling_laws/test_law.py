import warnings

import numpy as np
import pytest
from synthetic import LAW, grid, losses

import dit_lite
from dit_lite.analysis.scaling_laws import (
    Curve,
    ScalingError,
    ScalingWarning,
    fit_scaling_law,
)

NAMES = ("E", "A", "alpha", "B", "beta")
RNG = np.random.default_rng


def true(name: str) -> float:
    return getattr(LAW, name)


def test_is_a_public_name():
    assert dit_lite.fit_scaling_law is fit_scaling_law


def test_a_law_without_noise_is_found():
    psi, n, runs = grid()
    loss = LAW.predict(psi, n) * (1 + 1e-9 * runs)  # seeds that hardly differ
    law = fit_scaling_law(psi, n, loss)
    for name in NAMES:
        assert getattr(law, name) == pytest.approx(true(name), rel=1e-4)
    assert law.predict(3e8, 1e7) == pytest.approx(LAW.predict(3e8, 1e7), rel=1e-5)


def covered(draws: int, refits: int, **noise) -> dict[str, float]:
    """The shares of 90 % intervals that hold the truth; and biases, in standard
    deviations of the estimate, after "bias of ".
    """
    rng, inside, found = RNG(1), {}, {}
    by_run = "run" in noise
    for _ in range(draws):
        psi, n, loss, runs = losses(rng, **noise)
        law = fit_scaling_law(psi, n, loss, runs=runs if by_run else None, draws=refits)
        for name in (*NAMES, "allocation"):
            low, high = law.interval(name)
            inside.setdefault(name, []).append(low <= true(name) <= high)
            found.setdefault(name, []).append(getattr(law, name))
        low, high = law.predict_interval(3e8, 1e7, new_run=False)
        inside.setdefault("law", []).append(low <= LAW.predict(3e8, 1e7) <= high)
        new = LAW.predict(3e8, 1e7) * np.exp(
            noise.get("point", 0.01) * rng.standard_normal()
            + noise.get("run", 0.0) * rng.standard_normal()
        )
        low, high = law.predict_interval(3e8, 1e7)
        inside.setdefault("a new run", []).append(low <= new <= high)
    shares = {name: float(np.mean(values)) for name, values in inside.items()}
    biases = {
        f"bias of {name}": float((np.mean(v) - true(name)) / np.std(v))
        for name, v in found.items()
    }
    return shares | biases


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise",
    [dict(seeds=1), dict(point=0.03), dict(point=0.003, run=0.01)],
    ids=["one seed", "noisy", "luck of a run"],
)
def test_nine_in_ten_intervals_hold_the_truth_in_200_draws(noise):
    found = covered(200, 100, **noise)
    shares = {k: v for k, v in found.items() if not k.startswith("bias")}
    assert all(0.85 <= share <= 0.95 for share in shares.values()), shares
    biases = [abs(found[f"bias of {name}"]) for name in ("E", "alpha", "beta")]
    assert max(biases) < 0.3, found


def test_points_of_a_run_are_not_independent():
    """With the luck of a run in all its points, intervals that ignore it are too
    narrow for alpha, by about the root of the points in a run.
    """
    psi, n, loss, runs = losses(RNG(0), point=0.001, run=0.01)
    width = {}
    for name, given in dict(run=runs, point=None).items():
        low, high = fit_scaling_law(psi, n, loss, runs=given).interval("alpha")
        width[name] = high - low
    assert width["run"] > 1.6 * width["point"]


def test_without_a_floor_the_exponent_shrinks():
    """CAP-11: E left out, its share is taken from alpha."""
    psi, n, loss, _ = losses(RNG(0))
    free, none = (fit_scaling_law(psi, n, loss, floor=floor) for floor in (True, False))
    assert none.E == 0
    assert none.alpha < 0.5 * free.alpha
    with pytest.raises(
        ScalingError, match="name='E' was not fitted; choose one of: A, alpha"
    ):
        none.interval("E")


def test_outliers_move_a_robust_fit_less():
    psi, n, loss, _ = losses(RNG(0))
    loss[[3, 40, 77]] *= [1.5, 0.7, 1.4]
    robust = fit_scaling_law(psi, n, loss)
    squares = fit_scaling_law(psi, n, loss, delta=10.0)
    assert abs(robust.alpha - LAW.alpha) < 0.5 * abs(squares.alpha - LAW.alpha)


def test_size_alone_is_a_law_too():
    rng, psi = RNG(0), np.repeat(np.geomspace(1e5, 1e8, 8), 3)
    loss = (0.3 + 50 * psi**-0.5) * np.exp(0.01 * rng.standard_normal(len(psi)))
    law = fit_scaling_law(psi, None, loss)
    assert law.interval("alpha").low < 0.5 < law.interval("alpha").high
    assert law.predict(1e9) == pytest.approx(0.3 + 50 * 1e9**-0.5, rel=0.05)
    with pytest.raises(ScalingError, match="no term in n"):
        law.optimum(1e15)


def test_predictions_are_numbers_for_numbers_and_arrays_for_arrays():
    psi, n, loss, _ = losses(RNG(0))
    law = fit_scaling_law(psi, n, loss)
    one, many = law.predict(1e7, 1e6), law.predict([1e7, 1e8], 1e6)
    assert isinstance(one, float)
    assert many.shape == (2,)
    assert many[0] == one
    low, high = law.predict_interval([1e7, 1e8], 1e6)
    assert low.shape == high.shape == (2,)
    assert (low < many).all()
    assert (many < high).all()
    inner = law.predict_interval(1e7, 1e6, new_run=False)
    outer = law.predict_interval(1e7, 1e6)
    assert outer.low < inner.low < inner.high < outer.high
    wide, narrow = (law.interval("alpha", level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < law.alpha < narrow.high < wide.high


def test_the_optimum_is_the_lowest_on_the_line_of_equal_compute():
    best = LAW.optimum(1e15, 6.0)
    psi = np.geomspace(0.1, 10, 2001) * best.parameters
    losses_ = LAW.predict(psi, 1e15 / 6 / psi)
    assert abs(np.log(psi[losses_.argmin()] / best.parameters)) < 0.003
    assert best.parameters * best.images * 6 == pytest.approx(1e15)
    more = LAW.optimum(1e17, 6.0).parameters
    assert np.log(more / best.parameters) / np.log(100) == pytest.approx(LAW.allocation)


def test_the_largest_size_is_predicted_from_the_others():
    psi, n, loss, runs = losses(RNG(3))
    held = psi == psi.max()
    law = fit_scaling_law(psi[~held], n[~held], loss[~held], runs=runs[~held])
    assert (len(law.points), held.sum()) == (75, 15)
    error = law.predict(psi[held], n[held]) / loss[held] - 1
    assert np.abs(error).max() < 0.05
    low, high = law.predict_interval(psi[held], n[held])
    assert ((low <= loss[held]) & (loss[held] <= high)).mean() >= 0.8


def changed(**changes):
    psi, n, loss, _ = losses(RNG(0))
    given = dict(parameters=psi, images=n, loss=loss)
    for name, change in changes.items():
        if callable(change):
            given[name] = change(given[name].copy())
        else:
            given[name] = change
    return given


def put(i, value):
    def change(array):
        array[i] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(loss=put(4, np.nan)), r"loss\[4\]=nan must be positive"),
        (dict(loss=put(4, -0.1)), r"loss\[4\]=-0.1 must be positive"),
        (dict(parameters=put(slice(2, 4), 0)), r"parameters\[2\]=0 .* points 3; leave"),
        (dict(images=put(0, np.inf)), r"images\[0\]=inf"),
        (dict(images=lambda a: a[:-1]), "images has 89 values for 90 losses"),
        (dict(loss=[["a"]]), "loss must be numbers"),
        (dict(loss=lambda a: a[None]), r"loss has shape \(1, 90\)"),
        (dict(runs=[1, 2]), "runs has 2 values for 90 losses"),
        (dict(same=dict(weighting=["uniform"] * 89 + ["logit_normal"])),
        r"weighting differs .* uniform \(89 points\); logit_normal \(1 points\)"),
        (dict(same=dict(hardware=["one"] * 3)), "hardware has 3 values"),
        (dict(delta=0.0), "delta"),
        (dict(draws=3), "draws=3 must be a whole number from 20"),
        (dict(images=np.full(90, 7.0)), "images takes 1 value.*images=None"),
    ],
)  # fmt: skip
def test_points_that_cannot_be_fitted_are_named(change, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalingWarning)
        with pytest.raises(ScalingError, match=message):
            fit_scaling_law(**changed(**change))


def test_the_same_run_twice_is_refused_and_another_seed_is_not():
    psi, n, loss, _ = losses(RNG(0))
    twice = [np.append(a, a[7]) for a in (psi, n, loss)]
    with pytest.raises(ScalingError, match="points 7, 90 are the same run"):
        fit_scaling_law(*twice)
    twice[2][-1] *= 1.01
    fit_scaling_law(*twice)


def test_fewer_points_than_numbers_are_refused():
    psi, n, loss, _ = losses(RNG(0), seeds=1)
    few = [a[[0, 7, 14, 21, 28]] for a in (psi, n, loss)]
    with pytest.raises(
        ScalingError, match="5 points cannot determine the 5 numbers E, A"
    ):
        fit_scaling_law(*few)


def test_sizes_without_leverage_are_warned_of():
    sizes = np.geomspace(1e6, 1.8e6, 6)
    psi, n, loss, _ = losses(RNG(0), sizes=sizes)
    with pytest.warns(
        ScalingWarning, match="all parameters lie within a factor of 1.8"
    ):
        fit_scaling_law(psi, n, loss, floor=False)


def test_a_floor_that_the_points_do_not_show_is_warned_of():
    law = Curve(E=0.0, A=40.0, alpha=0.3, B=6.0, beta=0.3)
    psi, n, loss, _ = losses(RNG(0), law=law, point=0.03)
    with pytest.warns(ScalingWarning, match="do not show a floor"):
        found = fit_scaling_law(psi, n, loss)
    assert found.interval("E").low < 0.01


@pytest.mark.parametrize("level", [0, 1, 90, True, "90 %"])
def test_wrong_levels_are_named(level):
    psi, n, loss, _ = losses(RNG(0), seeds=1)
    with pytest.raises(ScalingError, match="level="):
        fit_scaling_law(psi, n, loss, draws=20).interval("alpha", level)


def test_a_prediction_needs_sizes_that_can_be():
    for given, message in (
        ((0.0, 1.0), "parameters"), ((1.0, -1.0), "images"), ((1.0,), "images=None"),
    ):  # fmt: skip
        with pytest.raises(ScalingError, match=message):
            LAW.predict(*given)


def test_prints_its_numbers_with_their_intervals():
    psi, n, loss, _ = losses(RNG(0))
    lines = str(fit_scaling_law(psi, n, loss)).splitlines()
    assert lines[0] == "L = E + A Psi^-alpha + B n^-beta"
    assert lines[1].strip() == "90 % interval"
    assert [line.split()[0] for line in lines[2:]] == list(NAMES)
