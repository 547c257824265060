"""What a fit would have been with other random errors: losses redrawn around a fitted
law.

The wild bootstrap by run: each run's residuals keep their shape and change sign
together (Cameron, Gelbach and Miller 2008), so that the points of one run, which share
a seed, do not count as independent evidence. Residuals of a fit are too small; they are
inflated by how far each run pulled the fit towards itself (MacKinnon and White 1985),
and the uncertainty of the noise follows its degrees of freedom (Student's t).
"""

import numpy as np

from .surface import Design

#: With CR2, nominal 90 % intervals from few runs contain the truth in 86 to 90 % of
#: cases, with CR3 in 90 to 95 %, and in between in 88 to 92 %
#: (tests/analysis/scaling_laws/test_law.py).
POWER = 0.75


def true_size(
    residual: np.ndarray, jacobian: np.ndarray, run: np.ndarray, power: float
) -> np.ndarray:
    """Residuals (m,) as large as the errors behind them: (I - H)^-power r, run by run,
    with H the hat matrix of the derivatives (m, p).

    With power 1/2 (CR2) they vary like the errors, with 1 (CR3) like a run's errors
    relative to a fit to the other runs.
    """
    q, _ = np.linalg.qr(jacobian)
    errors = np.empty_like(residual)
    for one in np.unique(run):
        here = run == one
        left, values = np.linalg.eigh(np.eye(here.sum()) - q[here] @ q[here].T)[::-1]
        inverse = left / values.clip(0.05) ** power @ left.T
        errors[here] = inverse @ residual[here]
    return errors


def drawn(
    design: Design,
    theta: np.ndarray,
    log_loss: np.ndarray,
    run: np.ndarray,
    draws: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of losses around the law theta (p,): (draws, m); and the scatter of
    the points around it (m,).
    """
    value, jacobian = (found[0] for found in design.model(theta[None]))
    residual = log_loss - value
    errors = true_size(residual, jacobian, run, POWER)
    _, member = np.unique(run, return_inverse=True)
    runs = member.max() + 1
    signs = rng.choice([-1.0, 1.0], (draws, runs))[:, member]
    # p parameters are subtracted, leaving at least one degree of freedom
    free = max(runs - len(theta), 1)
    scale = np.sqrt(free / rng.chisquare(free, (draws, 1)))
    scatter = true_size(residual, jacobian, run, power=0.5)
    return value + scale * signs * errors, scatter
