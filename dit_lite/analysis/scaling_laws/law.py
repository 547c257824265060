"""A scaling law: fitted, with an interval for each of its numbers, and used to predict
a loss that has not been measured.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...config.arguments import checked
from .points import Points, ScalingError, ScalingWarning, check_points, positive
from .resample import drawn
from .surface import Design, fit, minimise

#: Huber's constant: 95 % as efficient as least squares where errors are normal.
NORMAL = 1.345
SPREAD = 1.4826  # a normal deviation, in units of the median absolute one


class Range(NamedTuple):
    """The two ends of an interval."""

    low: float
    high: float


class Optimum(NamedTuple):
    """The best use of a compute budget."""

    parameters: float
    images: float
    loss: float


@dataclass(frozen=True)
class Curve:
    """L = E + A Psi^-alpha + B n^-beta, just the numbers: a published law, or the
    fitted part of a `ScalingLaw`. B is 0 where n plays no part.
    """

    E: float
    A: float
    alpha: float
    B: float = 0.0
    beta: float = 0.0

    def predict(self, parameters, images=None):
        """The loss at sizes and numbers of images: numbers, or arrays that broadcast.

        Raises ScalingError for sizes that are not positive, and where the law needs a
        number of images and none is given.
        """
        return _given(self._terms(parameters, images).sum(0))

    def _terms(self, parameters, images) -> np.ndarray:
        psi, n = _sizes(self, parameters, images)
        return np.stack(
            [
                np.broadcast_to(self.E, psi.shape),
                self.A * psi**-self.alpha,
                self.B * n**-self.beta,
            ]
        )

    @property
    def allocation(self) -> float:
        """The exponent a of Psi ~ C^a along the optimum: beta / (alpha + beta)
        (2203.15556 eq. 4).
        """
        _need_images(self)
        return self.beta / (self.alpha + self.beta)

    def optimum(self, compute: float, per_parameter: float = 6.0) -> Optimum:
        """The size and the number of images that reach the lowest loss with `compute`
        FLOPs, where a run costs per_parameter Psi n (2203.15556 eq. 4).

        For a DiT whose linear maps see N tokens per image, `per_parameter` is about 6 N
        times the share of parameters that work on tokens: take it from
        `dit_lite.flops`.
        """
        a = self.allocation
        (budget, per) = (
            positive(name, [value])[0]
            for name, value in dict(
                compute=compute, per_parameter=per_parameter
            ).items()
        )
        g = (self.alpha * self.A / (self.beta * self.B)) ** (
            1 / (self.alpha + self.beta)
        )
        psi = float(g * (budget / per) ** a)
        n = float(budget / per / psi)
        return Optimum(psi, n, float(self.predict(psi, n)))


@dataclass(frozen=True)
class ScalingLaw(Curve):
    """A fitted law. `draws` {name: (r,)} are the fitted numbers of refits to resampled
    losses; `errors` (m,) are the deviations of log loss from the law, `delta` the size
    beyond which they no longer count as squares.
    """

    points: Points = None
    draws: Mapping[str, np.ndarray] = None
    errors: np.ndarray = None
    delta: float = 0.0

    def interval(self, name: str, level: float = 0.9) -> Range:
        """The interval of E, A, alpha, B, beta or "allocation" at a confidence level.

        Percentiles of bootstrap refits. Raises ScalingError for a name that was not
        fitted, or a level outside (0, 1).
        """
        known = dict(self.draws)
        if "beta" in known:
            known["allocation"] = known["beta"] / (known["alpha"] + known["beta"])
        if name not in known:
            raise ScalingError(
                f"name={name!r} was not fitted; choose one of: {', '.join(known)}"
            )
        return Range(*map(float, np.quantile(known[name], _ends(level))))

    def predict_interval(
        self, parameters, images=None, level: float = 0.9, new_run: bool = True
    ) -> Range:
        """The interval for the loss of a `new_run` at a size and a number of images, or
        for the law's own value there; numbers, or arrays.

        A new run's scatter is drawn from the errors of the fitted runs.
        """
        psi, n = _sizes(self, parameters, images)
        d = {
            name: values.reshape(-1, *[1] * psi.ndim)
            for name, values in self.draws.items()
        }
        losses = d.get("E", 0.0) + d["A"] * psi ** -d["alpha"]
        if "B" in d:
            losses = losses + d["B"] * n ** -d["beta"]
        if new_run:
            rng = np.random.default_rng(0)
            losses = losses * np.exp(rng.choice(self.errors, losses.shape))
        low, high = np.quantile(losses, _ends(level), axis=0)
        return Range(_given(low), _given(high))

    def __str__(self) -> str:
        lines = [f"L = E + A Psi^-alpha{' + B n^-beta' if self.B else ''}"]
        lines.append(f"{'':17} 90 % interval")
        for name in self.draws:
            value, low, high = (
                f"{number:.3g}" if number > 1e-6 else "0"
                for number in (getattr(self, name), *self.interval(name))
            )
            lines.append(f"{name:>6} {value:<10} {low} to {high}")
        return "\n".join(lines)


#: The most refits, whose parameters are all kept in memory.
MOST_DRAWS = 100_000


@checked
def fit_scaling_law(
    parameters,
    images,
    loss,
    *,
    floor: bool = True,
    runs: Sequence | None = None,
    same: Mapping[str, Sequence] | None = None,
    delta: float | None = None,
    draws: int = 400,
    seed: int = 0,
) -> ScalingLaw:
    """Fit L = E + A Psi^-alpha + B n^-beta to losses (m,) at sizes Psi and images n.

    The Huber loss of log L, from a grid of starts (2203.15556 sec. 3.3). `images` None
    leaves the last term out, `floor` False the first. `runs` says which points belong
    to one run, whose errors are then resampled together; `same` {name: values} what
    must be equal for all points (weighting, data, hardware). `delta` None uses Huber's
    1.345 standard deviations of the errors; Hoffmann et al. used 1e-3, which is close
    to least absolute errors. `draws` refits, from `seed`, give the intervals.

    Raises ScalingError for points that cannot be fitted (see `check_points`), and for
    fewer points than the law has parameters; warns (ScalingWarning) about ranges too
    short to fit an exponent and about a floor that the points do not show.
    """
    points = check_points(parameters, images, loss, runs, same)
    design = Design.of(points.parameters, points.images, floor)
    _refuse_few(points, design)
    if not 20 <= draws <= MOST_DRAWS or seed < 0:
        raise ScalingError(
            f"draws={draws} must be a whole number from 20 to {MOST_DRAWS:,}, and "
            f"seed={seed} one of at least 0"
        )
    if delta is not None:
        delta = positive("delta", [delta])[0]
    log_loss = np.log(points.loss)
    theta, delta = _robust(design, points.loss, delta)
    around, errors = drawn(
        design, theta, log_loss, points.run, draws, np.random.default_rng(seed)
    )
    # Student's t with one degree of freedom is unbounded; numbers end at e^709
    around = around.clip(-300, 300)
    refits, _ = minimise(design, around, np.repeat(theta[None], draws, 0), delta)
    values = _numbers(design, refits)
    best = {name: float(v[0]) for name, v in _numbers(design, theta[None]).items()}
    law = ScalingLaw(
        **{"E": 0.0} | best, points=points, draws=values, errors=errors, delta=delta
    )
    if floor and law.interval("E")[0] < 1e-3 * points.loss.min():
        warnings.warn(
            "the points do not show a floor: E may be 0, and alpha depends on that "
            "guess; add larger models and longer runs, or compare with floor=False",
            ScalingWarning,
            stacklevel=2,
        )
    return law


def _robust(
    design: Design, loss: np.ndarray, delta: float | None
) -> tuple[np.ndarray, float]:
    """The fit, and the delta used."""
    if delta is not None:
        return fit(design, loss, delta), delta
    squares = fit(design, loss, np.inf)
    residual = np.log(loss) - design.model(squares[None])[0][0]
    # points without scatter lie on the law: any delta will do
    delta = max(NORMAL * SPREAD * float(np.median(np.abs(residual))), 1e-9)
    return minimise(design, np.log(loss)[None], squares[None], delta)[0][0], delta


def _refuse_few(points: Points, design: Design) -> None:
    names = design.names
    if len(points) <= len(names):
        raise ScalingError(
            f"{len(points)} points cannot determine the {len(names)} numbers "
            f"{', '.join(names)} and an error; give more points, or fewer numbers "
            "(images=None, floor=False)"
        )
    columns = dict(parameters=points.parameters, images=points.images)
    for name, values in columns.items():
        if values is not None and len(np.unique(values)) < 2 + design.floor * (
            points.images is None
        ):
            raise ScalingError(
                f"{name} takes {len(np.unique(values))} value(s): its exponent cannot "
                "be fitted"
                + (
                    "; use images=None for runs of one length"
                    if name == "images"
                    else ""
                )
            )


def _numbers(design: Design, theta: np.ndarray) -> dict[str, np.ndarray]:
    """{name: (r,)} in the units of the law, of theta (r, p) around the centre."""
    log_e, log_a, alpha, log_b, beta = design.split(theta)
    found = {} if log_e is None else {"E": np.exp(log_e)}
    found |= {"A": np.exp(log_a + alpha * design.x0), "alpha": alpha}
    if log_b is not None:
        found |= {"B": np.exp(log_b + beta * design.z0), "beta": beta}
    return found


def _ends(level: float) -> list[float]:
    if (
        isinstance(level, bool)
        or not isinstance(level, (int, float))
        or not 0 < level < 1
    ):
        raise ScalingError(f"level={level!r} must lie between 0 and 1, such as 0.9")
    return [(1 - level) / 2, (1 + level) / 2]


def _need_images(law: Curve) -> None:
    if not law.B:
        raise ScalingError("the law has no term in n; fit it with `images`")


def _sizes(law: Curve, parameters, images) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and numbers of images as float64, of one shape."""
    if images is None and law.B:
        raise ScalingError("images=None: this law needs a number of images, n")
    arrays = []
    for name, values in dict(parameters=parameters, images=images).items():
        array = np.asarray(1.0 if values is None else values, float)
        positive(name, array.ravel())
        arrays.append(array)
    return tuple(np.broadcast_arrays(*arrays))


def _given(values: np.ndarray):
    """A float for a number, an array for arrays."""
    return float(values) if np.ndim(values) == 0 else values
