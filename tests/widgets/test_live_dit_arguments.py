import base64

import numpy as np
import pytest
import torch
from fragments import asks_for_nothing, code_of, state

from dit_lite import DiT, DiTConfig, load
from dit_lite.model import to_browser
from dit_lite.widgets import live_dit_explorer

pytestmark = pytest.mark.usefixtures("static")
SMALL = DiT(
    DiTConfig(
        width=8, heads=2, depth=1, num_classes=3, class_names=("ant", "bee", "cat")
    )
)
CONFIG, WEIGHTS = to_browser(SMALL)
BIAS = "embed.bias"


def without(name):
    return {key: value for key, value in CONFIG.items() if key != name}


def test_the_first_state_is_a_finished_walk():
    first = state(live_dit_explorer(CONFIG, WEIGHTS, y=2, steps=10))
    assert [first[key] for key in ("y", "steps", "step", "guidance", "patch")] == [
        2,
        10,
        10,
        2.0,
        10,
    ]
    assert state(live_dit_explorer(CONFIG, WEIGHTS, y=3))["y"] == 3, "no class"


def test_weights_travel_as_the_bytes_of_float16():
    sent = state(live_dit_explorer(CONFIG, WEIGHTS))["weights"]
    for name, array in WEIGHTS.items():
        assert sent[name]["dtype"] == "uint8"
        assert sent[name]["shape"] == [*array.shape, 2]
        np.testing.assert_array_equal(
            np.frombuffer(base64.b64decode(sent[name]["data"]), "<f2"), array.ravel()
        )


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (TypeError, "config has type DiTConfig; expected a dict",
        {"config": SMALL.config}),
        (ValueError, "config has no depth", {"config": without("depth")}),
        (ValueError,
        r"config\['heads'\]=0 is out of range; expected a whole number of at least 1",
        {"config": CONFIG | {"heads": 0}}),
        (ValueError, r"config\['heads'\]=3 does not divide config\['width'\]=8",
        {"config": CONFIG | {"heads": 3}}),
        (ValueError, r"config\['patch_size'\]=3 does not divide",
        {"config": CONFIG | {"patch_size": 3}}),
        (ValueError, r"config\['channels'\]=2; pictures have 1 or 3",
        {"config": CONFIG | {"channels": 2}}),
        (ValueError, r"config\['width'\]=6 is not a multiple of 4",
        {"config": CONFIG | {"width": 6}}),
        (ValueError, r"config\['class_names'\] has 1 names; expected 3",
        {"config": CONFIG | {"class_names": ["a"]}}),
        (TypeError, r"config\['data_std'\]=None has type NoneType",
        {"config": CONFIG | {"data_std": None}}),
        (TypeError, "weights has type list", {"weights": []}),
        (ValueError, "weights lacks 'embed.bias', which a model of this config has",
        {"weights": {k: v for k, v in WEIGHTS.items() if k != BIAS}}),
        (ValueError, "weights has 'blocks.0.attention.query_norm.weight', which a "
            "model of this config lacks",
            {"weights": WEIGHTS | {"blocks.0.attention.query_norm.weight": np.ones(4)}}),
        (ValueError, r"weights\['embed.bias'\] has shape \(9,\); expected \(8,\)",
        {"weights": WEIGHTS | {BIAS: np.ones(9, np.float16)}}),
        (TypeError, r"weights\['embed.bias'\] has dtype float32; expected float16",
        {"weights": WEIGHTS | {BIAS: np.ones(8, np.float32)}}),
        (ValueError, r"weights\['embed.bias'\] has values that are not finite",
        {"weights": WEIGHTS | {BIAS: np.full(8, np.inf, np.float16)}}),
        (ValueError, "y=4 is out of range; expected a whole number from 0 to 3",
        {"y": 4}),
        (ValueError,
        "guidance=5 is out of range; expected a finite number from 0 to 4",
        {"guidance": 5}),
        (ValueError, "steps=3 is out of range; expected a whole number from 4 to 50",
        {"steps": 3}),
        (ValueError, "seed=100 is out of range", {"seed": 100}),
        (ValueError, "layer=1 is out of range; expected a whole number from 0 to 0",
        {"layer": 1}),
        (ValueError, "head=2 is out of range", {"head": 2}),
        (ValueError, "patch=True is out of range", {"patch": True}),
    ],
)  # fmt: skip
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        live_dit_explorer(**{"config": CONFIG, "weights": WEIGHTS} | change)


def test_a_model_too_large_for_a_page_is_refused():
    with pytest.raises(
        ValueError, match=r"weights hold 4\.9 MB; at most 4\.7 MB fit on a page"
    ):
        live_dit_explorer(*to_browser(DiT(DiTConfig(width=160, depth=5))))


def test_the_fragment_of_the_shipped_model_is_light_and_asks_for_nothing():
    fragment = live_dit_explorer(*to_browser(load("digits")))
    code = code_of(fragment)
    assert asks_for_nothing(code)
    assert len(fragment.data) < 1_000_000
    assert len(code) < 50_000


def test_with_a_kernel_it_is_a_widget(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    widget = live_dit_explorer(CONFIG, WEIGHTS)
    assert isinstance(widget, anywidget.AnyWidget)
    assert "function dit(" in widget._esm
    assert ".dit-live" in widget._css
    sent = widget.get_state(["weights"])["weights"][BIAS]
    assert torch.frombuffer(bytearray(sent["data"]), dtype=torch.float16).shape == (8,)
