import numpy as np
import pytest
from scipy.optimize import minimize
from synthetic import LAW, losses

from dit_lite.analysis.scaling_laws.surface import (
    HUBER,
    Design,
    fit,
    huber,
    minimise,
    project,
)


def by_lbfgs(psi, n, loss, delta):
    """Hoffmann et al.'s way: L-BFGS on (a, b, e, alpha, beta) from a grid of starts."""

    def objective(theta):
        a, b, e, alpha, beta = theta
        parts = [a - alpha * np.log(psi), b - beta * np.log(n), np.full(len(psi), e)]
        r = np.abs(np.logaddexp.reduce(parts) - np.log(loss))
        return np.where(r < delta, r**2 / 2, delta * (r - delta / 2)).sum() * 1e4

    found = [
        minimize(objective, start, method="L-BFGS-B", options=dict(maxiter=3000, maxfun=30000))
        for start in [(a, b, e, x, y) for a in (0, 5) for b in (0, 5) for e in (-2, 0)
                      for x in (0.3, 0.8) for y in (0.3, 0.8)]
    ]  # fmt: skip
    return min(one.fun for one in found) / 1e4


@pytest.mark.parametrize("delta", [HUBER, 1.0])
def test_the_minimum_is_the_one_that_lbfgs_finds(delta):
    psi, n, loss, _ = losses(np.random.default_rng(0), seeds=1)
    design = Design.of(psi, n, True)
    theta = fit(design, loss, delta)
    ours = huber(np.log(loss) - design.model(theta[None])[0], delta)[0]
    assert ours <= by_lbfgs(psi, n, loss, delta) * (1 + 1e-4)


def test_derivatives_are_those_of_differences():
    psi, n, loss, _ = losses(np.random.default_rng(0), seeds=1)
    design = Design.of(psi, n, True)
    theta = fit(design, loss)
    _, slopes = design.model(theta[None])
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-6
        up, down = (design.model((theta + s)[None])[0][0] for s in (step, -step))
        np.testing.assert_allclose(slopes[0, :, i], (up - down) / 2e-6, atol=1e-8)


def test_fits_side_by_side_are_fits_one_by_one():
    rng = np.random.default_rng(1)
    psi, n, loss, _ = losses(rng, seeds=1)
    design = Design.of(psi, n, True)
    start = fit(design, loss)
    many = np.log(loss) + 0.01 * rng.standard_normal((7, len(loss)))
    together, _ = minimise(design, many, np.repeat(start[None], 7, 0))
    for row, theta in zip(many, together, strict=True):
        alone, _ = minimise(design, row[None], start[None])
        np.testing.assert_allclose(alone[0], theta, rtol=1e-9)


def test_given_the_exponents_the_law_is_linear():
    psi, n, loss, _ = losses(np.random.default_rng(0), point=0.0, seeds=1)
    design = Design.of(psi, n, True)
    factors, squares = project(
        design, loss, np.array([[LAW.alpha, LAW.beta], [0.9, 0.1]])
    )
    centred = (
        LAW.E,
        LAW.A * np.exp(-LAW.alpha * design.x0),
        LAW.B * np.exp(-LAW.beta * design.z0),
    )
    np.testing.assert_allclose(factors[0], centred, rtol=1e-5)
    assert squares[0] < 1e-12 < squares[1]


def test_the_huber_loss_is_a_square_and_then_a_line():
    np.testing.assert_allclose(huber(np.array([[0.5], [-3.0]]), 1.0), [0.125, 2.5])
    assert huber(np.array([[3.0, 4.0]]), np.inf)[0] == 12.5
