"""An explorer is one ES module with anywidget's `render({ model, el })`, and works in
two environments.

In the static book it is an HTML fragment that carries everything it needs: style,
module, state. In a notebook with a kernel it is an anywidget, and Python functions
recompute what the reader asks for.
"""

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np

from ..files.environment import page_is_built

HERE = Path(__file__).parent
# the modules that an explorer needs besides base
NEEDS = {name: ("matmul", "dit", "walk") for name in ("live_dit", "words")}
NEEDS |= {"memory": ("formulas", "bills")}
NEEDS |= {name: ("formulas", "bills", "run_form") for name in ("cost", "planner")}
NEEDS |= {name: ("law_fit", "loglog") for name in ("scaling_law", "budget_game")}
# modules that are not explorers
SHARED = {"base", "host", *itertools.chain.from_iterable(NEEDS.values())}
RESERVED = ("label", "height", "recomputed", "status")
LIMIT = 4_000_000  # bytes of arrays in one fragment: a page must stay light
_count = itertools.count(1)


class Html:
    """HTML that a notebook shows."""

    def __init__(self, data: str):
        self.data = data

    def _repr_html_(self) -> str:
        return self.data

    def __repr__(self) -> str:
        return f"<Html, {len(self.data) / 1000:.0f} kB>"


def text(name: str) -> str:
    """A file of this folder, style or module, with the kernel of its products."""
    written = (HERE / name).read_text(encoding="utf-8")
    if name != "matmul.mjs":
        return written
    kernel = base64.b64encode((HERE / "matmul.wasm").read_bytes()).decode()
    return written.replace("MATMUL_WASM", kernel)


def look(name: str) -> str:
    """The style of an explorer: the shared style, its own file and those of the modules
    it needs, where they exist.
    """
    files = [f"{part}.css" for part in (*NEEDS.get(name, ()), name)]
    own = "".join(text(file) for file in files if (HERE / file).exists())
    return text("theme.css") + text("explorer.css") + own


def module(name: str) -> str:
    """The module of an explorer, after those that it needs, without comment lines and
    indentation.
    """
    parts = ("base", *NEEDS.get(name, ()), name)
    written = "".join(text(f"{part}.mjs") for part in parts)
    return re.sub(r"^ *(//.*\n|/\*\*(.|\n)*?\*/\n)?", "", written, flags=re.M)


def explorer(
    name: str,
    on: dict[str, Callable] | None = None,
    *,
    label: str,
    height: tuple[str, str],
    limit: int = LIMIT,
    **state,
):
    """Show the explorer `name` with a first state of JSON values and of uint8 or
    float32 arrays, also inside lists and dicts.

    `label` describes it for screen readers; `height` reserves room on (a wide page, a
    phone), so that nothing moves when it starts: two sums of CSS lengths, in which 1cqi
    is a hundredth of the width; `limit` is how many bytes of arrays are allowed, for
    explorers that need more than the default. `on` = {key of the state:
    function(widget)} recomputes in Python when the reader changes that value; the
    function reads and sets the state as attributes. Returns `Html` when the environment
    says DIT_LITE_STATIC=1 (as the book's build does) or anywidget is not installed,
    else a widget. Raises ValueError or TypeError, naming the argument.
    """
    known = sorted(path.stem for path in HERE.glob("*.mjs") if path.stem not in SHARED)
    if name not in known:
        raise ValueError(
            f"there is no explorer {name!r}; choose one of {', '.join(known)}"
        )
    on = on or {}
    for key in state:
        if key in RESERVED:
            raise ValueError(
                f"{key} is a name that every explorer uses itself; call the "
                "value something else"
            )
    for key, function in on.items():
        if key not in state:
            raise ValueError(
                f"on[{key!r}] watches a value that is not in the state; choose "
                f"one of {', '.join(state)}"
            )
        if not callable(function):
            raise TypeError(
                f"on[{key!r}] has type {type(function).__name__}; expected a "
                "function of the widget"
            )
    size = sum(
        array.nbytes for key, value in state.items() for array in _arrays(key, value)
    )
    if size > limit:
        raise ValueError(
            f"the arrays of this explorer hold {size / 1e6:.1f} MB; at most "
            f"{limit / 1e6:.0f} MB fit: show fewer steps or choices"
        )
    state |= dict(label=label, height=list(height), recomputed=[], status="")
    if not page_is_built():
        try:
            import anywidget  # noqa: F401
        except ImportError:  # the same explorer, without recomputing
            return _fragment(name, state)
        return _widget(name, state | {"recomputed": list(on)}, on)
    return _fragment(name, state)


def _arrays(key: str, value):
    """The arrays in a value; raises where something is neither JSON nor an array of an
    allowed dtype.
    """
    if isinstance(value, np.ndarray):
        if value.dtype not in (np.uint8, np.float32):
            raise TypeError(
                f"{key} has dtype {value.dtype}; explorers take uint8 and "
                "float32 arrays"
            )
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _arrays(f"{key}[{name!r}]", part)
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from _arrays(f"{key}[{i}]", part)
    elif isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{key}={value!r} is not finite")
    elif value is not None and not isinstance(value, (bool, int, float, str)):
        raise TypeError(
            f"{key} has type {type(value).__name__}; expected a JSON value or an array"
        )


def encode(value, pack: Callable):
    """A state value as JSON, its arrays as {dtype, shape, data}."""
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        return {
            "dtype": value.dtype.name,
            "shape": list(value.shape),
            "data": pack(little.tobytes()),
        }
    if isinstance(value, dict):
        return {key: encode(part, pack) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(part, pack) for part in value]
    return value


def _fragment(name: str, state: dict) -> Html:
    payload = json.dumps(
        encode(state, lambda data: base64.b64encode(data).decode()), allow_nan=False
    ).replace("<", "\\u003c")
    key = f"dit-{hashlib.sha256(payload.encode()).hexdigest()[:8]}-{next(_count)}"
    wide, phone = state["height"]
    script = module(name) + text("host.mjs").replace("EXPLORER_ID", key)
    return Html(
        f"<style>{look(name)}</style>"
        f'<div class="dit-explorer" id="{key}" role="group" '
        f'aria-label="{escape(state["label"])}" '
        f'style="--wide:{wide};--phone:{phone}">'
        '<div class="dit-body"><noscript>This explorer needs '
        "JavaScript.</noscript></div>"
        f'<script type="application/json">{payload}</script></div>'
        f'<script type="module">\n{script}</script>'
    )


def _widget(name: str, state: dict, on: dict[str, Callable]):
    import anywidget
    import traitlets

    for key in state:
        if hasattr(anywidget.AnyWidget, key):
            raise ValueError(
                f"{key} is a name that every widget uses itself; call the value "
                "something else"
            )

    def value(initial):
        return traitlets.Any(initial).tag(
            sync=True, to_json=lambda value, _: encode(value, bytes)
        )

    members = {"_esm": module(name), "_css": look(name)}
    kind = type(
        f"{name.title()}Explorer",
        (anywidget.AnyWidget,),
        members | {key: value(initial) for key, initial in state.items()},
    )
    widget = kind()
    for key, function in on.items():
        widget.observe(lambda _, function=function: _recompute(widget, function), key)
    return widget


def _recompute(widget, function: Callable) -> None:
    widget.status = "Computing …"
    try:
        function(widget)
    # shown to the reader: an error in a widget's callback appears nowhere else
    except Exception as error:
        widget.status = f"{type(error).__name__}: {error}"
        raise
    widget.status = ""


def rows_of(groups: list[int], room: int, gap: int) -> int:
    """How many rows these groups of controls take, each with the given width and `gap`
    from the next, in `room` pixels.
    """
    count, left = 0, 0
    for group in groups:
        lines = -(-group // room)
        count, left = (
            (count, left - group)
            if group <= left
            else (count + lines, lines * room - group)
        )
        left -= gap
    return count
