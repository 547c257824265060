import re

import pytest

from dit_lite.checks import check, claim, solution, statements
from dit_lite.diffusion.samplers import euler
from dit_lite.widgets import card, note, progress, show_source


def html_of(output) -> str:
    return output._repr_html_()


@pytest.mark.parametrize(
    "output",
    [
        claim("GAP-4", 6),
        check("01.1", lambda x0, eps, t: None),
        solution("01.1"),
        statements({"it holds": True}),
        show_source(euler),
    ],
    ids=["claim", "check", "solution", "statements", "source"],
)
def test_a_card_carries_every_rule_that_it_needs(output):
    style, body = re.fullmatch(
        r"<style>(.*?)</style>(.*)", html_of(output), re.S
    ).groups()
    used = set(re.findall(r"--dit-[a-z-]+", style))
    defined = set(re.findall(r"(--dit-[a-z-]+):", style))
    assert used <= defined, "no colour comes from the page"
    names = {
        name
        for names in re.findall(r'class="([^"]*)"', body)
        for name in names.split()
        if name.startswith("dit-")
    }
    assert {"dit-card"} <= names
    for kind in names - {"dit-claim", "dit-check", "dit-solution"}:
        assert f".{kind}" in style, f"{kind} has no style of its own"


def test_an_accent_is_one_of_the_palette():
    assert "dit-card-green" in note("x", "green").data
    with pytest.raises(ValueError, match="choose one of green, amber, red, blue"):
        note("x", "pink")
    assert 'class="dit-card wide"' in card("x", "wide").data


def test_a_bar_is_shown_in_a_notebook_and_not_on_a_page(monkeypatch, capsys):
    monkeypatch.setenv("DIT_LITE_STATIC", "1")
    assert list(progress(range(3), "training")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("DIT_LITE_STATIC", "0")
    assert list(progress(range(3), "training")) == [0, 1, 2]
    assert "training" in capsys.readouterr().err
