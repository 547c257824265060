"""An experiment is a list of independent parts. They run one by one, are saved as they
finish, and resume where they stopped.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import product

from tqdm.auto import tqdm

from ..config import ConfigError
from ..files.strict_json import to_json
from .budget import OutOfTime, TimeLimit, device_of
from .finished_parts import FinishedParts, read_parts, save_parts, tally
from .provenance import now, provenance


class Parts:
    """The parts of one experiment at one budget; `map` runs those that are not yet on
    disk.

    `keep` says whether finished parts are saved next to the result. `planned` is the
    time of the whole experiment in seconds, if known, and `maps` how many times it
    calls `map`: with more than one, `planned` does not tell how long a part takes, and
    parts are counted up to the last. Raises ResultError when the parts on disk were
    made with other settings or on other hardware.
    """

    def __init__(
        self,
        name: str,
        budget: str,
        settings: dict,
        keep: bool,
        limit: TimeLimit | None = None,
        planned: float | None = None,
        maps: int = 1,
    ):
        self.name, self.budget, self.keep, self.limit = (
            name,
            budget,
            keep,
            limit or TimeLimit(),
        )
        self.planned, self.maps, self.reached = planned, maps, 0
        self.began = time.monotonic()
        # parts added by this run
        self.here = {"provenance": provenance(0.0, device_of(budget)), "parts": {}}
        self.finished = (read_parts(name, budget) if keep else None) or FinishedParts(
            name, budget, settings
        )
        self.finished.check(settings, self.here["provenance"]["hardware"])
        self.finished.runs.append(self.here)
        self.costs: dict[str, float] = {}  # of every part asked for so far, by its key

    def map(
        self,
        part: Callable,
        parts: Sequence[dict],
        cost: Callable[[dict], float] = lambda arguments: 1.0,
        **shared,
    ) -> list:
        """The results of `part(**arguments, **shared)` for all arguments in `parts`, in
        order.

        A part returns plain JSON values, and depends only on its arguments.
        `cost(arguments)` is proportional to the time that a part takes, where parts
        differ. Raises OutOfTime before the part that would exceed the time limit,
        judging by the slowest part of this function so far, and ConfigError when the
        limit is shorter than one part.
        """
        calls = {_key(part, one | shared): one | shared for one in parts}
        self.costs |= {key: cost(one) for key, one in calls.items()}
        self.reached += 1
        self.finished.total = len(self.costs) if self.reached == self.maps else 0
        done = self.finished.parts
        with tqdm(
            total=len(calls),
            initial=len(calls.keys() & done.keys()),
            desc=f"{self.name} at {self.budget}",
            unit="part",
        ) as bar:
            for key in [key for key in calls if key not in done]:
                self._plan(key, bar)
                done[key] = self._do(key, part, calls[key])
                bar.update()
            bar.set_postfix_str("")
        return [done[_key(part, one | shared)]["value"] for one in parts]

    def rows(self, part: Callable, parts: Sequence[dict], *cost, **shared) -> list:
        """As `map`, of a part that returns a list: the lists of all parts as one."""
        return [row for rows in self.map(part, parts, *cost, **shared) for row in rows]

    def _do(self, key: str, part: Callable, arguments: dict) -> dict:
        began = time.monotonic()
        try:
            value = part(**arguments)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{self._progress()}, and the interrupted one is lost; {self._again()}"
            ) from None
        try:
            # the same value as when it is read back
            value = json.loads(to_json(value))
        except TypeError as error:
            raise TypeError(
                f"{self.name}: {key} returned something other than plain JSON "
                f"values: {error}"
            ) from None
        self.here["parts"][key] = {"seconds": time.monotonic() - began, "value": value}
        self.here["provenance"]["date"] = now()
        if self.keep:
            save_parts(self.finished)
        return self.here["parts"][key]

    def _plan(self, key: str, bar: tqdm) -> None:
        """Show the seconds planned; raise OutOfTime or ConfigError when the next
        part does not fit.
        """
        # of this function
        costs = {
            k: c for k, c in self.costs.items() if k.split("(")[0] == key.split("(")[0]
        }
        per_cost = slowest = (
            self.planned / sum(costs.values())
            if self.planned and self.maps == 1
            else None
        )
        done = {
            k: part["seconds"] for k, part in self.finished.parts.items() if k in costs
        }
        if done:
            per_cost, slowest = (
                sum(done.values()) / sum(costs[k] for k in done),
                max(s / costs[k] for k, s in done.items()),
            )
        known = slowest is not None
        more = (
            (
                f"{per_cost * sum(c for k, c in costs.items() if k not in done):.0f} "
                "s more planned"
            )
            if known
            else "time not known yet"
        )
        bar.set_postfix_str(more)
        left = self.limit.left()
        # A part of unknown duration runs if it is the command's first, or if half of
        # the time is left.
        if (
            slowest * costs[key] < left
            if known
            else not self.limit.used or left >= self.limit.seconds / 2
        ):
            self.limit.used = True
            return
        bar.leave = False
        if not self.limit.used:  # then the same command would never get any further
            raise ConfigError(
                f"time_limit={self.limit.seconds:g} s is too short for one part "
                f"of {self.name} at {self.budget}, "
                f"about {slowest * costs[key]:.0f} s; give --time-limit "
                f"{math.ceil(slowest * costs[key]) + 10} or more"
            )
        raise OutOfTime(f"{self._progress()}, {more}; {self._again()}")

    def _progress(self) -> str:
        done = len(self.costs.keys() & self.finished.parts.keys())
        return f"{self.name}: {tally(done, self.finished.total)} done"

    def _again(self) -> str:
        return (
            "run the same command again to continue"
            if self.keep
            else "they are not kept here, so the next run starts again"
        )

    def provenance(self) -> dict:
        """Where the finished result comes from: the provenance of its last run, with
        the seconds of all runs; several runs are listed.
        """
        runs = []
        for one in self.finished.runs:
            parts = {
                key: part for key, part in one["parts"].items() if key in self.costs
            }
            if parts:
                runs.append(
                    one["provenance"]
                    | {
                        "seconds": round(sum(p["seconds"] for p in parts.values()), 1),
                        "parts": len(parts),
                    }
                )
        if not runs:
            return self.here["provenance"] | {
                "seconds": round(time.monotonic() - self.began, 1)
            }
        whole = runs[-1] | {
            "seconds": round(sum(one["seconds"] for one in runs), 1),
            "parts": sum(one["parts"] for one in runs),
        }
        return whole | ({"runs": runs} if len(runs) > 1 else {})


def grid(**values: Iterable) -> list[dict]:
    """Every combination of values as arguments of a part, {name: value}; the last name
    changes fastest.
    """
    return [dict(zip(values, one, strict=True)) for one in product(*values.values())]


def _key(part: Callable, arguments: dict) -> str:
    return f"{part.__name__}({json.dumps(arguments, sort_keys=True)})"
