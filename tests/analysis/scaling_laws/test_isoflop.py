import warnings

import numpy as np
import pytest

from dit_lite.analysis.scaling_laws import (
    Curve,
    ScalingError,
    ScalingWarning,
    isoflop,
    parabola_bias,
)

EQUAL = Curve(E=0.2, A=40.0, alpha=0.4, B=30.0, beta=0.4)
UNEQUAL = Curve(E=0.2, A=40.0, alpha=0.6, B=6.0, beta=0.3)
BUDGETS = np.geomspace(1e13, 1e16, 4)


def valleys(law, shift=0.0, noise=0.0, half=1.5, sizes=7, seed=0):
    """(compute, sizes, losses): per budget a grid around the best size, moved by
    `shift` halves of its range.
    """
    rng, u = np.random.default_rng(seed), np.linspace(-1, 1, sizes) + shift
    compute = np.repeat(BUDGETS, sizes)
    psi = np.concatenate(
        [law.optimum(c).parameters * np.exp(half * u) for c in BUDGETS]
    )
    loss = law.predict(psi, compute / 6 / psi)
    return compute, psi, loss * np.exp(noise * rng.standard_normal(len(loss)))


def test_equal_exponents_on_a_centred_grid_are_found_exactly():
    found = isoflop(*valleys(EQUAL))
    best = [EQUAL.optimum(c) for c in BUDGETS]
    np.testing.assert_allclose(
        found.parameters, [b.parameters for b in best], rtol=1e-6
    )
    np.testing.assert_allclose(found.loss, [b.loss for b in best], rtol=0.01)
    assert found.exponent == pytest.approx(0.5, abs=1e-6)
    assert found.factor * 1e18**found.exponent == pytest.approx(
        EQUAL.optimum(1e18).parameters, rel=1e-4
    )


def test_the_interval_holds_the_exponent():
    inside = 0
    for seed in range(60):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScalingWarning)
            low, high = isoflop(*valleys(EQUAL, noise=0.003, seed=seed)).interval(0.9)
        inside += low <= 0.5 <= high
    assert 47 <= inside <= 60  # 54 expected, 47 three deviations away


def test_unequal_exponents_bias_a_parabola_and_are_warned_of():
    with pytest.warns(ScalingWarning, match="asymmetric.*unequal exponents"):
        found = isoflop(*valleys(UNEQUAL, half=2.5))
    true = [UNEQUAL.optimum(c).parameters for c in BUDGETS]
    measured = np.log(found.parameters / true)
    assert (measured > 0.2).all()  # towards the flatter side: less data, larger models
    for c, bias in zip(BUDGETS, measured, strict=True):
        grid = UNEQUAL.optimum(c).parameters * np.exp(np.linspace(-2.5, 2.5, 7))
        assert parabola_bias(UNEQUAL, c, grid) == pytest.approx(bias, rel=1e-6)


def test_the_bias_falls_with_the_width_of_the_grid_and_vanishes_for_equal_exponents():
    grid = np.exp(np.linspace(-1, 1, 7))
    best = UNEQUAL.optimum(1e15).parameters
    wide, narrow = (parabola_bias(UNEQUAL, 1e15, best * grid**h) for h in (2, 0.5))
    assert wide > 10 * narrow > 0
    even = EQUAL.optimum(1e15).parameters
    assert abs(parabola_bias(EQUAL, 1e15, even * grid)) < 1e-9
    assert abs(parabola_bias(EQUAL, 1e15, 4 * even * grid)) > 0.01  # off centre


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0.7, "off the centre of.*smaller side"), (-1.3, "beyond.*larger side")],
)
def test_a_best_size_off_the_grid_is_warned_of(shift, words):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        isoflop(*valleys(EQUAL, shift=shift))
    import re

    assert any(re.search(words, str(w.message)) for w in caught)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda c, u: c == BUDGETS[0], "holds 1 budget"),
        (lambda c, u: u % 7 < 3, "3 sizes; a parabola with an error needs at least 4"),
    ],
)
def test_too_few_budgets_or_sizes_are_refused(keep, message):
    compute, psi, loss = valleys(EQUAL)
    some = keep(compute, np.arange(len(compute)))
    with pytest.raises(ScalingError, match=message):
        isoflop(compute[some], psi[some], loss[some])


def test_a_valley_upside_down_is_refused():
    compute, psi, loss = valleys(EQUAL)
    with pytest.raises(ScalingError, match="no best one"):
        isoflop(compute, psi, 10 - loss)
    with pytest.raises(ScalingError, match="compute has 3 values"):
        isoflop(compute[:3], psi, loss)
