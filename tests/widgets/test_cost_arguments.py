import numpy as np
import pytest
from fragments import asks_for_nothing, state

from dit_lite import preset
from dit_lite.analysis import cost_formulas
from dit_lite.analysis.cost_table import model_inputs
from dit_lite.config import SIZES
from dit_lite.widgets import cost_calculator
from dit_lite.widgets.cost import FIRST

pytestmark = pytest.mark.usefixtures("static")
TABLE = cost_formulas()


def without(part: str, name: str) -> dict:
    return TABLE | {
        part: {key: value for key, value in TABLE[part].items() if key != name}
    }


def formula(name: str, text) -> dict:
    return TABLE | {"formulas": TABLE["formulas"] | {name: text}}


def test_the_first_state_is_the_largest_model_of_the_paper():
    run = state(cost_calculator(TABLE, SIZES))["run"]
    assert (run["width"], run["depth"], run["heads"]) == SIZES["XL"]
    assert (run["patch_size"], run["space"], run["image_size"], run["batch"]) == (
        2,
        "latent",
        256,
        256,
    )


def test_the_first_state_can_be_another():
    run = state(
        cost_calculator(
            TABLE,
            SIZES,
            batch=np.int64(64),
            space="grey",
            image_size=8,
            price=2,
            machine="A100",
        )
    )["run"]
    assert run == FIRST | dict(
        batch=64, space="grey", image_size=8, price=2, machine="A100"
    )


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (ValueError, "table has no inputs", {"table": {}}),
        (ValueError, "table has no machines", {"table": TABLE | {"machines": {}}}),
        (TypeError, "the formula macs has type int; expected text",
        {"table": formula("macs", 3)}),
        (ValueError, "the formula macs has '\\['; expected arithmetic",
        {"table": formula("macs", "width[0]")}),
        (ValueError, "the formula macs reads alert", {"table": formula("macs",
        "alert(1)")}),
        (ValueError, "the formula tokens reads macs, which no earlier formula defines",
        {"table": formula("tokens", "macs + 1")}),
        (ValueError, "table has no formula cost", {"table": without("formulas",
        "cost")}),
        (ValueError, "sizes=None: expected", {"sizes": None}),
        (ValueError, r"sizes\['S'\]=\(384, 12\)", {"sizes": {"S": (384, 12)}}),
        (ValueError, r"sizes\['S'\]=\(384, 12, 7\)", {"sizes": {"S": (384, 12, 7)}}),
        (ValueError, "speed is not an input of this explorer; choose from: "
            ".*batch.*price", {"speed": 3}),
        (ValueError, "machine='abacus' is not known; choose one of H200",
        {"machine": "abacus"}),
        (ValueError, "split=3 is not known; choose one of ddp", {"split": 3}),
        (ValueError, "batch=0 is out of range; expected a finite number from 1",
        {"batch": 0}),
        (TypeError, "batch=2.5 has type float; expected a whole number",
        {"batch": 2.5}),
        (TypeError, "width='wide' has type str", {"width": "wide"}),
        (ValueError, "share=nan is out of range", {"share": float("nan")}),
        (ValueError, "patch_size=3 does not cut image_size=256 in space='latent'; "
            "choose one of 1, 2, 4, 8, 16", {"patch_size": 3}),
        (ValueError, "patch_size=2 does not cut image_size=100 in space='latent'; "
            "choose one of another image_size", {"image_size": 100}),
        (ValueError, "heads=7 does not divide width=1152", {"heads": 7}),
    ],
)  # fmt: skip
def test_errors_name_the_argument(kind, message, change):
    with pytest.raises(kind, match=message):
        cost_calculator(**dict(table=TABLE, sizes=SIZES) | change)


def test_the_fragment_is_light_and_asks_for_nothing():
    fragment = cost_calculator(TABLE, SIZES).data
    assert asks_for_nothing(fragment)
    assert len(fragment) < 80_000


def test_with_a_kernel_it_is_a_widget(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    widget = cost_calculator(TABLE, SIZES)
    assert isinstance(widget, anywidget.AnyWidget)
    assert widget.run["width"] == 1152


def test_the_first_run_names_every_number_that_the_table_reads_of_a_model():
    numbers, options = model_inputs(preset("XL/2"))
    of_the_space = {"channels", "downsampling"}  # of the image, which space chooses
    assert numbers.keys() | options.keys() <= FIRST.keys() | of_the_space
