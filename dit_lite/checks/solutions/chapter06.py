"""Solutions of the exercises of chapter 6."""

import numpy as np

from .solution import solves


@solves("06.1")
def parameters(D):
    def linear(a, b):
        return (a + 1) * b

    attention = linear(D, 3 * D) + linear(D, D)
    mlp = linear(D, 4 * D) + linear(4 * D, D)
    return attention + mlp + linear(D, 6 * D)


@solves("06.2")
def macs(N, D, L):
    return L * (12 * N * D**2 + 2 * N**2 * D + 6 * D**2)


@solves("06.3")
def best(law, compute, per):
    # the derivative of the loss in log Psi is zero where the two terms, each times its
    # exponent, are equal: Psi^(alpha + beta) = alpha A / (beta B) (C / per)^beta
    ratio = law.alpha * law.A / (law.beta * law.B) * (compute / per) ** law.beta
    return ratio ** (1 / (law.alpha + law.beta))


@solves("06.4")
def fit(sizes, losses):
    found = []
    for alpha in np.geomspace(0.02, 2, 4000):
        basis = np.stack([np.ones_like(sizes), sizes**-alpha], 1) / losses[:, None]
        (E, A), *_ = np.linalg.lstsq(basis, np.ones_like(losses), rcond=None)
        error = np.square(basis @ [E, A] - 1).sum()
        found.append((error, E, A, alpha))
    return min(found)[1:]


@solves("06.5")
def interval(sizes, losses, new, draws=400):
    rng = np.random.default_rng(0)
    x, y, at = np.log(sizes), np.log(losses), np.log(new)
    slope, offset = np.polyfit(x, y, 1)
    residual = y - (slope * x + offset)
    residual = residual * (len(x) / (len(x) - 2)) ** 0.5  # two numbers were fitted
    again = slope * x + offset + rng.choice(residual, (draws, len(x)))
    lines = np.polyfit(x, again.T, 1)  # (2, draws)
    new_runs = lines[0] * at + lines[1] + rng.choice(residual, draws)
    return np.exp(np.quantile(new_runs, [0.05, 0.95]))


@solves("06.6")
def factors(fan_in, base_fan_in):
    growth = fan_in / base_fan_in
    return growth**-0.5, 1 / growth
