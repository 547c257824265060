"""Results on disk: what was measured, where, when, by which code and with which
settings.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..config import SILENT, choose
from ..files.environment import resource
from ..files.strict_json import to_json
from ..files.writing import write
from .budget import RECORDED
from .rows import Rows

SCHEMA = 1
#: Older versions' names for experiments, for keys of a recorded result,
FORMER_NAMES = {
    "deep_zero_init": "deep",
    "loss_beside_linear": "shipped",
    "modern_components": "options",
    "chapter_costs": "chapters",
}
FORMER_KEYS = {
    "slices": "runs",
    "told": "label",
    "told_one": "given",
    "by_time": "loss_by_time",
}
#: and for kinds of its rows.
FORMER_KINDS = {"belief": "x0_pred", "walk": "trajectory"}


class ResultError(ValueError):
    """A recorded result that cannot be used; the message names the file and what to
    run.
    """


@dataclass(frozen=True)
class Result:
    """A recorded result. `values` is the experiment's return value; `stale` says that
    its settings have changed since.
    """

    name: str
    budget: str
    values: dict
    settings: dict
    provenance: dict
    stale: bool = False

    @property
    def rows(self) -> Rows:
        """What was measured, one row per run."""
        return self.part("rows")

    def part(self, name: str) -> Rows:
        """The rows under another key of the values."""
        return Rows(self.values[name])

    def select(self, **fields) -> Rows:
        """The rows in which every field has the given value; see `Rows.select`."""
        return self.rows.select(**fields)

    def __str__(self) -> str:
        p = self.provenance
        runs = p.get("runs", [p])  # made in one run or in several
        dates = sorted({one["date"][:10] for one in runs})
        commits, torches = (
            [*dict.fromkeys(one[key] for one in runs)] for key in ("commit", "torch")
        )
        seeds = self.settings.get("seeds", [])
        named = f", seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        # what is recorded is compared word for word, so only the page is corrected
        hardware = p["hardware"].replace(", 1 threads", ", 1 thread")
        old = " STALE: the settings have changed since;" if self.stale else ""
        return (
            f"Recorded result '{self.name}', budget {self.budget}:{old} "
            f"{' to '.join(dates[:1] + dates[1:][-1:])}, "
            f"commit{'s' if len(commits) > 1 else ''} "
            f"{', '.join(c[:8] for c in commits)}, {hardware}, torch "
            f"{', '.join(torches)}, "
            f"{p['seconds']:.0f} s{named * bool(seeds)}."
        )


def settings_hash(settings: dict) -> str:
    """A short hash of an experiment's settings, which identifies stale results."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[
        :12
    ]


def place(name: str, budget: str) -> Path:
    """The file of a result. Raises ConfigError at smoke, where nothing is recorded."""
    choose("the budget of a recorded result", budget, RECORDED)
    return resource("data/results") / name / f"{budget}.json"


def save_result(result: Result) -> Path:
    """Write a result atomically, and return its path."""
    path = place(result.name, result.budget)
    content = {
        "schema": SCHEMA,
        "name": result.name,
        "budget": result.budget,
        "provenance": result.provenance,
    }
    content |= {
        "settings": result.settings,
        "settings_hash": settings_hash(result.settings),
        "values": result.values,
    }
    write(path, (to_json(content, indent=1) + "\n").encode())
    return path


def read_result(name: str, budget: str, settings: dict | None = None) -> Result | None:
    """The result recorded at `budget`, or None; it is stale when `settings` are given
    and differ. Raises ResultError for a file of another format.
    """
    path = place(name, budget)
    if not path.exists():
        path = place(FORMER_NAMES.get(name, name), budget)
    if not path.exists():
        return None
    way_out = (
        f"record it again: python -m dit_lite experiment run {name} --budget {budget}"
    )
    content = read_content(path, {"provenance", "settings", "values"}, way_out)
    if missing := {"date", "commit", "hardware", "torch", "seconds"} - set(
        content["provenance"]
    ):
        raise ResultError(
            f"{path} does not say where it comes from: its provenance lacks "
            f"{', '.join(sorted(missing))}; {way_out}"
        )
    stale = settings is not None and settings_hash(
        _known_then(settings, content["settings"])
    ) != settings_hash(content["settings"])
    return Result(
        name,
        budget,
        _with_todays_names(content["values"]),
        content["settings"],
        _with_todays_names(content["provenance"]),
        stale,
    )


def _with_todays_names(value):
    """A JSON value as this version would have written it."""
    if isinstance(value, list):
        return [_with_todays_names(one) for one in value]
    if isinstance(value, dict):
        renamed = {
            FORMER_KEYS.get(key, key): _with_todays_names(one)
            for key, one in value.items()
        }
        if renamed.get("kind") in FORMER_KINDS:
            renamed["kind"] = FORMER_KINDS[renamed["kind"]]
        return renamed
    return value


def read_content(path: Path, keys: set[str], way_out: str) -> dict:
    """The content of a results file under data/results. Raises ResultError, with
    `way_out`, unless it is JSON of this schema with these keys.
    """
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultError(f"{path} is not JSON ({error}); {way_out}") from None
    missing = {"schema", "name", "budget", *keys} - (
        content.keys() if isinstance(content, dict) else set()
    )
    if missing or content["schema"] != SCHEMA:
        why = (
            f"it lacks {', '.join(sorted(missing))}"
            if missing
            else f"its schema is {content['schema']}, not {SCHEMA}"
        )
        raise ResultError(f"{path} is not a result of this version: {why}; {way_out}")
    if (content["name"], content["budget"]) != (
        path.parent.name,
        path.name.split(".")[0],
    ):
        raise ResultError(
            f"{path} holds the result of {content['name']!r} at "
            f"{content['budget']!r}; {way_out}"
        )
    return content


def _known_then(settings: dict, recorded: dict) -> dict:
    """Settings without those recipe fields that did not exist when a result was
    recorded: a new field's default is the earlier behaviour. Fields that affect no
    number keep their recorded values.
    """
    if not (
        isinstance(settings.get("recipe"), dict)
        and isinstance(recorded.get("recipe"), dict)
    ):
        return settings
    return settings | {
        "recipe": {
            name: recorded["recipe"][name] if name in SILENT else value
            for name, value in settings["recipe"].items()
            if name in recorded["recipe"]
        }
    }
