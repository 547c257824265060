import pytest
import torch

from dit_lite.checks import StatementError, statements


def test_statements_that_hold_are_listed_closed():
    shown = statements({"one is less than two": 1 < 2, "all": torch.tensor([True])})
    html = shown._repr_html_()
    assert "2 statements of this section" in html
    assert '<details class="dit-statements"><summary>' in html
    assert html.count("<li>") == 2
    assert repr(shown) == "holds: one is less than two\nholds: all"


@pytest.mark.parametrize(
    "wrong", [False, torch.tensor(False), torch.tensor([True, False]), [True, False]]
)
def test_a_statement_that_does_not_hold_stops_the_build(wrong):
    with pytest.raises(StatementError, match="otherwise: b; c") as error:
        statements({"a": True, "b": wrong, "c": wrong})
    assert "a" not in str(error.value).split(": ")[1]


def test_a_statement_is_text_not_markup():
    assert "w &lt; 1" in statements({"w < 1": True})._repr_html_()
