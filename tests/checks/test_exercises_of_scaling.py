"""The exercises of chapter 6: wrong answers that a reader may well give, with the hint
that they get, and right ones that look nothing like the solution.
"""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from dit_lite.checks import CheckFailed, check, verify


def by_grid(law, compute, per):
    psi = np.geomspace(1, compute / per, 200_000)
    return psi[law.predict(psi, compute / per / psi).argmin()]


def by_bisection(law, compute, per):
    def slope(log_psi):
        psi = math.exp(log_psi)
        n = compute / per / psi
        return law.beta * law.B * n**-law.beta - law.alpha * law.A * psi**-law.alpha

    return math.exp(optimize.brentq(slope, 0, math.log(compute / per)))


def by_search(law, compute, per):
    found = optimize.minimize_scalar(
        lambda u: law.predict(math.exp(u), compute / per / math.exp(u)),
        bounds=(1, math.log(compute / per)),
        method="bounded",
        options=dict(xatol=1e-6),
    )
    return math.exp(found.x)


def least_squares(sizes, losses):
    return optimize.curve_fit(
        lambda s, E, A, alpha: np.log(E + A * (s / sizes[0]) ** -alpha),
        sizes, np.log(losses), p0=(losses.min() / 2, losses[0] / 2, 0.5),
        bounds=(1e-9, np.inf), xtol=1e-14, ftol=1e-14, gtol=1e-14,
    )[0]  # fmt: skip


def fit_by_scipy(sizes, losses):
    E, A, alpha = least_squares(sizes, losses)
    return E, A * sizes[0] ** alpha, alpha


def fit_by_the_floor(sizes, losses):
    """The floor that makes the rest straightest."""

    grid = losses.min() * (1 - np.geomspace(1e-4, 1, 20_000))
    lines, residuals, *_ = np.polyfit(
        np.log(sizes), np.log(losses[:, None] - grid), 1, full=True
    )
    best = residuals.argmin()
    slope, offset = lines[:, best]
    return np.array([grid[best], math.exp(offset), -slope])


def fit_by_ratios(sizes, losses):
    """Equal steps of log size: differences fall by one factor."""
    alpha = -np.polyfit(np.log(sizes[:-1]), np.log(-np.diff(losses)), 1)[0]
    A, E = np.polyfit(sizes**-alpha, losses, 1)
    return [E, A, alpha]


def line_of(sizes, losses):
    x, y = np.log(sizes), np.log(losses)
    slope, offset = np.polyfit(x, y, 1)
    return x, y, slope, offset


def by_the_textbook(sizes, losses, new):
    x, y, slope, offset = line_of(sizes, losses)
    m, at = len(x), math.log(new)
    s = math.sqrt(np.square(y - slope * x - offset).sum() / (m - 2))
    far = math.sqrt(1 + 1 / m + (at - x.mean()) ** 2 / np.square(x - x.mean()).sum())
    half = stats.t.ppf(0.95, m - 2) * s * far
    middle = slope * at + offset
    return math.exp(middle - half), math.exp(middle + half)


def by_normal_draws(sizes, losses, new):
    rng = np.random.default_rng(3)
    x, y, slope, offset = line_of(sizes, losses)
    s = np.std(y - slope * x - offset, ddof=2)
    made = slope * x + offset + s * rng.standard_normal((500, len(x)))
    slopes, offsets = np.polyfit(x, made.T, 1)
    ends = slopes * math.log(new) + offsets + s * rng.standard_normal(500)
    return tuple(np.exp(np.percentile(ends, [5, 95])))


def by_pairs(sizes, losses, new):
    """Points drawn with their sizes, and a scatter that is a little larger."""
    rng = np.random.default_rng(1)
    x, y, slope, offset = line_of(sizes, losses)
    s = np.std(y - slope * x - offset, ddof=2)
    some = rng.integers(0, len(x), (500, len(x)))
    some = some[np.ptp(x[some], axis=1) > 0]
    u, v = x[some], y[some]
    du = u - u.mean(1, keepdims=True)
    slopes = (du * v).sum(1) / (du * du).sum(1)
    ends = v.mean(1) + slopes * (math.log(new) - u.mean(1))
    ends += 1.1 * s * rng.standard_normal(len(ends))
    return np.exp(np.quantile(ends, [0.05, 0.95]))


def only_the_line(sizes, losses, new):
    *_, slope, offset = line_of(sizes, losses)
    middle = math.exp(slope * math.log(new) + offset)
    return middle * 0.999, middle * 1.001


def only_the_scatter(sizes, losses, new):
    x, y, slope, offset = line_of(sizes, losses)
    half = 1.64 * np.std(y - slope * x - offset)
    middle = slope * math.log(new) + offset
    return math.exp(middle - half), math.exp(middle + half)


def everything(sizes, losses, new):
    return 0.0, 100.0


RIGHT = {
    "06.1": [
        lambda D: 18 * D**2 + 15 * D,
        lambda D: sum(a * b + b for a, b in (
            (D, 3 * D), (D, D), (D, 4 * D), (4 * D, D), (D, 6 * D))),
        lambda D: np.float64(3 * D * (6 * D + 5)),
    ],
    "06.2": [
        lambda N, D, L: L * D * (12 * N * D + 2 * N * N + 6 * D),
        lambda N, D, L: sum(
            4 * N * D**2 + 2 * N**2 * D + 8 * N * D**2 + 6 * D**2 for _ in range(L)),
        lambda N, D, L: float(L * (2 * N * D * (6 * D + N) + 6 * D * D)),
    ],
    "06.3": [by_grid, by_bisection, by_search],
    "06.4": [fit_by_scipy, fit_by_the_floor, fit_by_ratios],
    "06.5": [by_the_textbook, by_normal_draws, by_pairs],
    "06.6": [
        lambda fan_in, base: ((base / fan_in) ** 0.5, base / fan_in),
        lambda fan_in, base: [math.sqrt(base) / math.sqrt(fan_in), base / fan_in],
        lambda fan_in, base: np.array([fan_in / base, fan_in / base]) ** [-0.5, -1],
    ],
}  # fmt: skip
WRONG = [
    ("06.1", lambda D: 12 * D**2 + 9 * D, "D to 6D in the modulation"),
    ("06.1", lambda D: 18 * D**2, r"\(a \+ 1\) b"),
    ("06.1", lambda D: 14 * D**2 + 11 * D, "D to 6D"),
    ("06.1", lambda D: 18 * D**2 + 17 * D, "LayerNorms have none"),
    ("06.1", lambda D: (D, 3 * D), "one number"),
    ("06.2", lambda N, D, L: L * N**2 * D, "two products"),
    ("06.2", lambda N, D, L: L * (12 * N * D**2 + N**2 * D + 6 * D**2), "two products"),
    ("06.2", lambda N, D, L: L * N * (18 * D**2 + 2 * N * D), "once per image"),
    ("06.2", lambda N, D, L: L * (12 * N * D**2 + 2 * N**2 * D), "modulation"),
    ("06.2", lambda N, D, L: 2 * L * (12 * N * D**2 + 2 * N**2 * D + 6 * D**2), "L="),
    ("06.3", lambda law, C, per: (C / per) ** 0.5, "derivative"),
    ("06.3", lambda law, C, per: (C / per) ** (law.alpha / (law.alpha + law.beta)),
     "lowest loss"),
    ("06.3", lambda law, C, per: by_grid(law, C, 6.0), "per"),
    ("06.3", lambda law, C, per: C / per, "the best size is"),
    ("06.3", lambda law, C, per: (by_grid(law, C, per), 1.0), "one size"),
    ("06.4", lambda s, L: (0.0, *np.exp(np.polyfit(np.log(s), np.log(L), 1)[::-1])),
     "linear in E and A"),
    ("06.4", lambda s, L: (L.min(), 1.0, 0.3), "np.linalg.lstsq"),
    ("06.4", lambda s, L: fit_by_scipy(s, L)[::-1], "E="),
    ("06.4", lambda s, L: fit_by_scipy(s, L)[:2], "three numbers"),
    ("06.4", lambda s, L: (math.nan, 1, 1), "finite"),
    ("06.5", only_the_line, "Two things are uncertain"),
    ("06.5", only_the_scatter, "Two things are uncertain"),
    ("06.5", everything, "too wide"),
    ("06.5", lambda s, L, new: by_the_textbook(s, L, new)[::-1], "below the high"),
    ("06.5", lambda s, L, new: sum(by_the_textbook(s, L, new)) / 2, "two numbers"),
    ("06.6", lambda f, b: (1.0, b / f), "keep its size"),
    ("06.6", lambda f, b: (b / f, b / f), "keep its size"),
    ("06.6", lambda f, b: ((b / f) ** 0.5, (b / f) ** 0.5), "correlated with the input"),
    ("06.6", lambda f, b: ((b / f) ** 0.5, 1.0), "correlated with the input"),
    ("06.6", lambda f, b: ((f / b) ** 0.5, f / b), "keep its size"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name in RIGHT for one in RIGHT[name]]
)
def test_a_right_answer_of_another_style_passes(name, answer):
    verify(name, answer)


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_a_hint(name, answer, hint):
    with pytest.raises(CheckFailed, match=hint):
        verify(name, answer)


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_not_yet_an_answer(name):
    assert "replace `...`" in check(name, lambda *given: None).hint
