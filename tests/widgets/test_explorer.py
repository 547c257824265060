import re
import sys
from pathlib import Path

import numpy as np
import pytest
from fragments import state

from dit_lite import widgets
from dit_lite.widgets import (
    Html,
    choose,
    explorer,
    noise_explorer,
    patch_explorer,
    predict,
    sampling_explorer,
)
from dit_lite.widgets.explorer import HERE, LIMIT, SHARED

FRAMES = np.zeros((4, 3, 3), np.uint8)
MAKERS = {
    "noise": lambda: noise_explorer(np.zeros((2, 4, 4), np.float32)),
    "sampling": lambda: sampling_explorer(
        FRAMES, FRAMES, [1, 0.5, 0.2, 0], on={"seed": lambda widget: None}
    ),
    "patches": lambda: patch_explorer({"dark": np.zeros((8, 8), np.uint8)}),
    "predict": lambda: predict("How many?", 3, 1, 5),
    "choose": lambda: choose("Which?", ["this", "that"], 0),
}


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in HERE.glob("*.mjs")} - SHARED)
)
def test_an_explorer_is_exported_and_tested(name):
    home = f"dit_lite.widgets.{name}"
    public = vars(widgets).items()
    makers = [name for name, one in public if getattr(one, "__module__", "") == home]
    assert makers, (
        f"{name}.mjs: export the function of {name}.py in dit_lite/widgets/__init__.py;"
        " or, if it is part of other explorers, name it in NEEDS of explorer.py"
    )
    for folder, asks in (("widgets", "its arguments"), ("book", "its page")):
        tests = Path(__file__).parents[1] / folder
        assert any(
            re.search(rf"\b({'|'.join(makers)})\b", path.read_text())
            for path in tests.glob("test_*.py")
        ), f"{name}: no file of tests/{folder} uses {makers}; test {asks} there"


@pytest.mark.parametrize("name", MAKERS)
def test_fragment_carries_everything_it_needs(static, name):
    fragment = MAKERS[name]()
    assert not re.search(
        r"https?:|//[a-z0-9.]+/|\bimport\b|@import|url\(", fragment.data
    )
    assert fragment._repr_html_() == fragment.data
    assert len(fragment.data) < 48_000
    assert (
        fragment.data.count("<style>")
        == fragment.data.count('<script type="module">')
        == 1
    )


def test_fragments_have_their_own_ids(static):
    ids = [
        re.search(r'id="(dit-[^"]+)"', MAKERS["predict"]().data)[1] for _ in range(3)
    ]
    assert len(set(ids)) == 3


def test_state_cannot_end_its_script(static):
    fragment = choose("Which?", ["a &lt;/script&gt;", "b"], 0)
    assert fragment.data.count("</script>") == 2
    assert state(
        noise_explorer(np.zeros((1, 2, 2), np.float32), names=["</script><!--"])
    )["names"] == ["</script><!--"]


def test_without_anywidget_the_fragment_is_shown(monkeypatch):
    monkeypatch.delenv("DIT_LITE_STATIC", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    assert isinstance(MAKERS["noise"](), Html)


@pytest.mark.parametrize("name", MAKERS)
def test_with_a_kernel_it_is_a_widget(monkeypatch, name):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    widget = MAKERS[name]()
    assert isinstance(widget, anywidget.AnyWidget)
    assert "export default { render };" in widget._esm
    assert widget.recomputed == (["seed"] if name in ("noise", "sampling") else [])


def test_kernel_recomputes_and_reports(monkeypatch):
    monkeypatch.delenv("DIT_LITE_STATIC", raising=False)
    pytest.importorskip("anywidget")
    widget = noise_explorer(np.zeros((2, 4, 4), np.float32), seed=3)
    before = widget.eps
    widget.seed = 4
    assert not np.array_equal(widget.eps, before)
    assert widget.status == ""
    sent = widget.get_state(["eps"])["eps"]
    assert sent["dtype"] == "float32"
    assert sent["shape"] == [2, 4, 4]
    np.testing.assert_array_equal(
        np.frombuffer(sent["data"], np.float32).reshape(2, 4, 4), widget.eps
    )

    def fail(widget):
        raise RuntimeError("no memory")

    broken = sampling_explorer(FRAMES, FRAMES, [1, 0.5, 0.2, 0], on={"seed": fail})
    with pytest.raises(RuntimeError):
        broken.seed = 1
    assert broken.status == "RuntimeError: no memory"


@pytest.mark.parametrize(
    ("kind", "message", "arguments"),
    [
        (
            ValueError,
            "no explorer 'atention'; choose one of .*noise, .*predict, .*sampling",
            {"name": "atention"},
        ),
        (ValueError, "status is a name that every explorer uses", {"status": ""}),
        (
            TypeError,
            "x has dtype float64; explorers take uint8 and float32",
            {"x": np.zeros(2)},
        ),
        (TypeError, r"x\['a'\]\[1\] has type set", {"x": {"a": [1, {2}]}}),
        (ValueError, "x=nan is not finite", {"x": float("nan")}),
        (ValueError, r"at most 4 MB fit", {"x": np.zeros(LIMIT + 1, np.uint8)}),
        (
            ValueError,
            r"on\['y'\] watches a value that is not in the state; choose one of x",
            {"x": 1, "on": {"y": print}},
        ),
        (
            TypeError,
            r"on\['x'\] has type int; expected a function",
            {"x": 1, "on": {"x": 3}},
        ),
    ],
)
def test_errors_name_the_argument(kind, message, arguments):
    with pytest.raises(kind, match=message):
        explorer(
            **({"name": "noise", "label": "test", "height": ("1px", "1px")} | arguments)
        )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_text_and_lines_have_contrast(theme):
    def light(color):
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = re.findall(
        r"--dit-([\w-]+): light-dark\((#\w{6}), (#\w{6})\)",
        (HERE / "theme.css").read_text(),
    )
    colors = {name: both[theme == "dark"] for name, *both in pairs}
    grounds = [
        colors["surface"],
        colors["raised"],
        *(["#14181e", "#121212"] if theme == "dark" else ["#ffffff"]),
    ]
    for name, least in dict(
        ink=7,
        quiet=4.5,
        blue=4.5,
        red=4.5,
        green=4.5,
        purple=4.5,
        sky=3,
        amber=3,
        edge=3,
    ).items():
        for ground in grounds:
            high, low = sorted((light(colors[name]), light(ground)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (name, ground)
