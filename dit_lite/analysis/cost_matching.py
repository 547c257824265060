"""Fair comparisons: models with equally many parameters, or multiply-adds, over patch,
depth, width and heads.
"""

import dataclasses
import math
from dataclasses import dataclass

from ..config import ConfigError, DiTConfig, choose
from ..config.arguments import checked
from .flops import Cost, flops

MEASURES = ("parameters", "macs")


@dataclass(frozen=True)
class MatchedModel:
    """A matched model: its configuration, its total cost, and the relative deviation
    from the target, (cost - target) / target.
    """

    config: DiTConfig
    cost: Cost
    mismatch: float


@checked
def match_cost(
    config: DiTConfig,
    by: str = "parameters",
    target: float | None = None,
    *,
    tolerance: float = 0.05,
    **changes,
) -> MatchedModel:
    """The model with `changes` whose total "parameters" or "macs" come closest to
    `target`; without one, to those of `config` itself.

    The width is adjusted, in steps that the heads divide. For equal multiply-adds at
    another patch size: `match_cost(config, by="macs", patch_size=4)`; for equal
    parameters with another conditioning: `match_cost(config, conditioning="film")`.
    Raises ConfigError when nothing comes within `tolerance`, a share of the target.
    """
    target = _target(config, by, target)
    if "width" in changes:
        raise ConfigError(
            f"width={changes['width']!r} is given, but the width is the field that is "
            "adjusted; leave it out"
        )
    best = _closest(_changed(config, changes), by, target)
    if abs(best.mismatch) > tolerance:
        raise ConfigError(
            f"no width gives target={target:g} {by} within tolerance={tolerance:g}: "
            f"the closest, width={best.config.width}, is {best.mismatch:+.1%} off; "
            "raise the tolerance, or change the target"
        )
    return best


def _width_step(config: DiTConfig) -> int:
    # the heads divide the width; rope needs multiples of 4 as head widths, sincos as
    # widths
    return 4 * config.heads if config.position == "rope" else math.lcm(4, config.heads)


def _closest(config: DiTConfig, by: str, target: float) -> MatchedModel:
    """Bisection for the last step of the width that stays at or under the target, then
    the better of it and the next.
    """
    step = _width_step(config)

    def at(k: int) -> MatchedModel:
        candidate = dataclasses.replace(config, width=k * step)
        cost = flops(candidate)["total"]
        return MatchedModel(candidate, cost, getattr(cost, by) / target - 1)

    low, high = 1, 2
    while at(high).mismatch <= 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle).mismatch <= 0 else (low, middle)
    return min(at(low), at(high), key=lambda found: abs(found.mismatch))


def _target(config: DiTConfig, by: str, target: float | None) -> float:
    choose("by", by, MEASURES)
    own = getattr(flops(config)["total"], by)
    if target is None:
        return own
    if (
        isinstance(target, bool)
        or not isinstance(target, (int, float))
        or not 0 < target < math.inf
    ):
        raise ConfigError(
            f"target={target!r} must be a positive number of {by}; leave it out "
            f"for the {own:,} of `config`"
        )
    return target


def _changed(config: DiTConfig, changes: dict) -> DiTConfig:
    for name in changes:
        choose(
            "a field to change",
            name,
            [field.name for field in dataclasses.fields(DiTConfig)],
        )
    # the width of `config` need not fit the new heads: any valid width will do as a
    # start
    start = {"width": 4 * changes.get("heads", config.heads)}
    return dataclasses.replace(config, **changes | start)
