"""Exercises of chapter 6: counting before building, the best size for a budget, a fit
with a floor, an interval that covers, and what muP changes.
"""

import math

import numpy as np

from ..analysis import flops
from ..analysis.scaling_laws import Curve
from ..config import DiTConfig
from ..model import DiT
from .exercise import exercise, require, returned


def _numbers(got, count: int, what: str) -> list[float]:
    """`got` as finite floats; a hint where it is something else."""
    returned(got)
    if count == 1 and not isinstance(got, (tuple, list, np.ndarray)):
        got = [got]
    require(
        hasattr(got, "__len__") and len(got) == count, f"Return {what}, and no more."
    )
    values = [float(value) for value in got]
    require(all(map(math.isfinite, values)), f"Return {what} as finite numbers.")
    return values


@exercise("06.1")
def parameters_of_a_block(parameters) -> None:
    """parameters(D): the parameters of one adaLN-Zero block, biases included."""
    for width in (8, 32, 96):
        config = DiTConfig(width=width, depth=1, heads=4)
        block = DiT(config).blocks[0]
        wanted = sum(parameter.numel() for parameter in block.parameters())
        (got,) = _numbers(parameters(width), 1, "one number")
        require(
            got == wanted,
            f"A block of width {width} has {wanted:,} parameters, yours {got:,.0f}. A "
            "linear map from a to b numbers has (a + 1) b parameters. There are maps "
            "from D to 3D and D to D in attention, D to 4D and back in the MLP, and D "
            "to 6D in the modulation; the LayerNorms have none.",
        )


@exercise("06.2")
def multiply_adds_of_the_blocks(macs) -> None:
    """macs(N, D, L): the multiply-adds of L blocks for one image."""
    for side, width, depth in ((4, 32, 2), (16, 64, 4), (32, 16, 3)):
        config = DiTConfig(image_size=2 * side, width=width, depth=depth, heads=4)
        costs = flops(config)
        parts = ("attention_projections", "attention_scores", "mlp", "conditioning")
        wanted = sum(costs[part].macs for part in parts)
        (got,) = _numbers(macs(side**2, width, depth), 1, "one number")
        require(
            got == wanted,
            f"For N={side**2}, D={width}, L={depth} it is {wanted:,}, yours is "
            f"{got:,.0f}. Linear maps run once per token, the modulation's once per "
            "image, and the scores take two products of size N N D.",
        )


#: Laws that the exercises are checked against.
LAWS = (
    Curve(0.1, 12.0, 0.4, 40.0, 0.5),
    Curve(1.7, 406.0, 0.34, 411.0, 0.28),
    Curve(0.02, 3.0, 0.9, 5.0, 0.3),
)


@exercise("06.3")
def the_best_size(best) -> None:
    """best(law, compute, per): the Psi with the lowest loss subject to per Psi n =
    compute.
    """
    for law in LAWS:
        for compute, per in ((1e12, 6.0), (3e15, 120.0)):
            wanted = law.optimum(compute, per).parameters
            (got,) = _numbers(best(law, compute, per), 1, "one size")
            require(
                abs(got / wanted - 1) < 0.02,
                f"For {compute:g} FLOPs at {per:g} per parameter and image the best "
                f"size is {wanted:.4g}, yours is {got:.4g}. Put n = compute / (per "
                "Psi) into the law: where is its derivative in Psi zero, or which of "
                "many sizes has the lowest loss?",
            )


@exercise("06.4")
def a_fit_with_a_floor(fit) -> None:
    """fit(sizes, losses) -> (E, A, alpha)."""
    sizes = np.geomspace(1e4, 3e6, 9)
    for law in LAWS:
        E, A, alpha = law.E, law.A, law.alpha
        losses = E + A * sizes**-alpha
        got = _numbers(
            fit(sizes.copy(), losses.copy()), 3, "three numbers: E, A, alpha"
        )
        for name, mine, true in zip(
            ("E", "A", "alpha"), got, (E, A, alpha), strict=True
        ):
            require(
                abs(mine / true - 1) < 0.03,
                f"Points of E={E:g}, A={A:g}, alpha={alpha:g} give {name}={mine:.4g}. "
                "For a known alpha the law is linear in E and A: solve for them with "
                "np.linalg.lstsq at every alpha of a fine grid, and keep the best.",
            )


@exercise("06.5")
def an_interval_that_covers(interval) -> None:
    """interval(sizes, losses, new) -> (low, high): where a new run of size `new` ends,
    with 90 % confidence, for a power law without a floor.
    """
    rng = np.random.default_rng(0)
    sizes = np.repeat(np.geomspace(1e4, 2e5, 5), 3)
    new, inside, widths, trials = 1e6, 0, [], 200
    for _ in range(trials):
        noise = 0.03 * rng.standard_normal(len(sizes))
        losses = 5 * sizes**-0.3 * np.exp(noise)
        truth = 5 * new**-0.3 * math.exp(0.03 * rng.standard_normal())
        low, high = _numbers(
            interval(sizes.copy(), losses, new), 2, "two numbers: low and high"
        )
        require(low < high, "The low end must lie below the high end.")
        inside += low <= truth <= high
        widths.append(high / max(low, 1e-12) - 1)
    share, width = inside / trials, float(np.median(widths))
    require(
        share >= 0.83,
        f"It held {share:.0%} of {trials} new runs; 90 % are wanted. Two things are "
        "uncertain: the fitted line, more so away from the sizes it was fitted to, "
        "and how far from the line a run ends.",
    )
    require(
        share <= 0.97 and width < 0.25,
        f"It held {share:.0%} of {trials} new runs, but its width is {width:.0%}: too "
        "wide to be useful. 90 % are wanted.",
    )


@exercise("06.6")
def what_mup_changes(factors) -> None:
    """factors(fan_in, base_fan_in) -> factors on the initial standard deviation and on
    Adam's rate, relative to the base width.
    """
    for fan_in, base in ((64, 64), (128, 32), (1152, 72)):
        start, rate = _numbers(factors(fan_in, base), 2, "two numbers: start and rate")
        growth = fan_in / base
        require(
            abs(start * growth**0.5 - 1) < 1e-6,
            f"From a fan-in of {base} to {fan_in} you multiply the initial standard "
            f"deviation by {start:.4g}. A sum of fan-in independent terms must keep "
            "its size: by what factor must each weight shrink?",
        )
        require(
            abs(rate * growth - 1) < 1e-6,
            f"From a fan-in of {base} to {fan_in} you multiply the rate by "
            f"{rate:.4g}. Adam moves every weight by about the rate, in directions "
            "correlated with the input: such a sum grows in proportion to the fan-in.",
        )
