import pytest

from dit_lite.analysis.formulas import FormulaError, evaluate


def test_formulas_use_values_and_those_before_them():
    assert evaluate({"b": "2 * a + 1", "c": "b ** 2 - a / 4"}, {"a": 3}) == {
        "b": 7,
        "c": 48.25,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("2 ** 3 ** 2", 512), ("10 - 4 - 3", 3), ("12 / 4 / 3", 1), ("2 + 3 * 4 ** 2",
    50), ("(2 + 3) * 4", 20), ("ceil(7 / 2) + floor(7 / 2)", 7),
     ("min(3, 1 + 1, 5)", 2), ("max(1.5, 0.5)", 1.5)],
)  # fmt: skip
def test_precedence_is_that_of_school(text, value):
    assert evaluate({"x": text}, {}) == {"x": value}


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "a.real", "[1][0]", "lambda: 1", "1 if a else 2", "'1'", "-a",
    "a // 2", "a % 2", "a < 2", "open(1)", "min()", "min(*a)",
     "ceil(x=1)", "min(1)(2)", "True", "b", "1 +", "", "1; 2", "a := 2", "1 / 0",
     "max(1, key=2)"],
)  # fmt: skip
def test_nothing_else_is_read_and_the_formula_is_named(text):
    with pytest.raises(FormulaError, match="formula x = "):
        evaluate({"x": text}, {"a": 1})
