"""The best setting of an arm, from the runs of its sweep."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence


def best_setting(rows: Iterable[dict], of: Sequence[str] = ("lr",), **arm) -> dict:
    """Among the runs of `arm`: the values of `of` whose runs have the lowest mean
    `loss`, that loss, and whether each value is `bracketed`, that is, neither the
    lowest nor the highest tried.

    A run whose loss is None has diverged, and its setting ranks last.
    """
    losses: dict[tuple, list[float]] = defaultdict(list)
    for row in rows:
        if all(row[name] == value for name, value in arm.items()):
            loss = math.inf if row["loss"] is None else row["loss"]
            losses[tuple(row[name] for name in of)].append(loss)
    means = {setting: sum(some) / len(some) for setting, some in losses.items()}
    best = min(means, key=means.__getitem__)
    bracketed = all(
        min(tried) < value < max(tried)
        for value, tried in zip(best, zip(*means, strict=True), strict=True)
    )
    chosen = dict(zip(of, best, strict=True))
    return arm | chosen | {"loss": means[best], "bracketed": bracketed}
