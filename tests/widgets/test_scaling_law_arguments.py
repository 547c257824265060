import pytest
from fragments import asks_for_nothing, state

from dit_lite.widgets import budget_game, scaling_law_explorer

pytestmark = pytest.mark.usefixtures("static")
FIELDS = dict(
    parameters=1e4, without_embeddings=9e3, without_adaln=5e3, macs=1e6,
    flops_per_image=6e6,
)  # fmt: skip
ROWS = [
    dict(patch_size=8, width=width, seed=seed, images=n, loss=1 / width + 9 / n)
    | {name: value * width**2 for name, value in FIELDS.items()}
    for width in (16, 24, 32, 48)
    for seed in (0, 1)
    for n in (100, 200, 400)
]


def test_rows_become_runs_in_the_order_of_their_images():
    found = state(scaling_law_explorer(ROWS[::-1], 48))
    assert found["images"] == [100, 200, 400]
    assert len(found["runs"]) == 8
    first = found["runs"][0]
    assert first["losses"] == [1 / 16 + 9 / n for n in (100, 200, 400)]
    assert first["sizes"][0] == 1e4 * 256
    game = state(budget_game(ROWS, 48))
    assert game["budget"] == pytest.approx(6e6 * (16**2 + 24**2 + 32**2) * 400 / 2)


def changed(i: int, **fields) -> list[dict]:
    return [row | fields if k == i else row for k, row in enumerate(ROWS)]


def without(i: int, name: str) -> list[dict]:
    rows = [dict(row) for row in ROWS]
    del rows[i][name]
    return rows


@pytest.mark.parametrize("show", [scaling_law_explorer, budget_game])
@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (ValueError, "rows is empty", {"rows": []}),
        (ValueError, r"rows\[1\] has no loss; it has patch_size, width",
        {"rows": without(1, "loss")}),
        (ValueError, r"rows\[24\] is a duplicate: patch_size=8, width=16",
        {"rows": [*ROWS, ROWS[0]]}),
        (ValueError, r"was measured at \[200, 400\]; expected \[100, 200, 400\]",
        {"rows": ROWS[:3] + ROWS[4:]}),
        (ValueError, "the loss of the run patch_size=8, width=16, seed=0=-1 is out of",
        {"rows": changed(0, loss=-1)}),
        (TypeError, "the loss of .* has type str", {"rows": changed(0, loss="1")}),
        (ValueError, "expected held=64 and at least three others", {"held": 64}),
        (ValueError, "expected held=48 and at least three others",
        {"rows": ROWS[6:]}),
        (ValueError, "fit_from=400 leaves fewer than two", {"fit_from": 400}),
    ],
)  # fmt: skip
def test_errors_name_the_argument(show, kind, message, change):
    with pytest.raises(kind, match=message):
        show(**dict(rows=ROWS, held=48) | change)


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (ValueError, "patch=4 is not known; choose one of 8", {"patch": 4}),
        (ValueError, "count='flops' is not known; choose one of all parameters",
        {"count": "flops"}),
        (ValueError, "method='some' is not known; choose one of all, ends",
        {"method": "some"}),
        (TypeError, "floor=1 must be True or False", {"floor": 1}),
    ],
)  # fmt: skip
def test_choices_of_the_explorer_are_checked(kind, message, change):
    with pytest.raises(kind, match=message):
        scaling_law_explorer(ROWS, 48, **change)


@pytest.mark.parametrize(
    ("kind", "message", "change"),
    [
        (ValueError, r"rows have the patch sizes \[4, 8\]; select one of them",
        {"rows": ROWS + [row | {"patch_size": 4} for row in ROWS]}),
        (ValueError, "lengths holds 300; choose from 100, 200, 400",
        {"lengths": [300]}),
        (ValueError, "budget=100 buys fewer than two runs", {"budget": 100}),
        (ValueError, "budget=inf is out of range", {"budget": float("inf")}),
    ],
)  # fmt: skip
def test_choices_of_the_game_are_checked(kind, message, change):
    with pytest.raises(kind, match=message):
        budget_game(**dict(rows=ROWS, held=48) | change)


@pytest.mark.parametrize("show", [scaling_law_explorer, budget_game])
def test_the_fragment_is_light_and_asks_for_nothing(show):
    fragment = show(ROWS, 48).data
    assert asks_for_nothing(fragment)
    assert len(fragment) < 120_000


@pytest.mark.parametrize("show", [scaling_law_explorer, budget_game])
def test_with_a_kernel_it_is_a_widget(show, monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    anywidget = pytest.importorskip("anywidget")
    assert isinstance(show(ROWS, 48), anywidget.AnyWidget)
