import re
import sys
from html import unescape

import pytest
import torch

from dit_lite.diffusion.paths import Linear
from dit_lite.diffusion.samplers import euler, heun
from dit_lite.evaluation import memorisation
from dit_lite.model.block import Modulation
from dit_lite.model.dit import FinalLayer
from dit_lite.widgets import show_source


def code_in(html: str) -> str:
    """The text of the code that a card shows."""
    inner = re.search(r'<pre class="dit-code">(.*?)</pre>', html, re.S)[1]
    return unescape(re.sub(r"<[^>]*>", "", inner))


@pytest.mark.parametrize(
    "thing", [Linear, FinalLayer.forward, euler, memorisation, Modulation]
)
def test_the_code_is_that_of_the_file_dedented(thing):
    shown = show_source(thing)
    name = thing.__qualname__.split(".")[-1]
    assert code_in(shown.data) == repr(shown)
    assert re.search(rf"^(def|class) {name}\b", repr(shown), re.M)
    path = thing.__module__.replace(".", "/") + ".py"
    assert f'<div class="dit-source-from">{path}</div>' in shown.data
    with open(sys.modules[thing.__module__].__file__) as file:
        lines = {line.strip() for line in file}
    assert {line.strip() for line in repr(shown).splitlines()} <= lines
    assert not repr(shown).startswith(" ")


def test_a_keyword_is_coloured():
    assert '<span class="k">def</span>' in show_source(euler).data


def test_several_of_one_file_stand_under_one_name():
    shown = show_source(euler, heun)
    assert shown.data.count("dit-source-from") == 1 + shown.data.count(
        ".dit-source-from"
    )
    assert repr(shown).index("def euler") < repr(shown).index("def heun")


def test_without_pygments_the_code_is_plain(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygments", None)
    shown = show_source(euler)
    assert "<span" not in shown.data
    assert code_in(shown.data) == repr(shown)


def test_what_has_no_source_is_refused():
    with pytest.raises(ValueError, match="objects is empty"):
        show_source()
    with pytest.raises(TypeError, match="expected a class, function or method"):
        show_source(torch.zeros(1))
    with pytest.raises(TypeError, match="expected a class, function or method"):
        show_source(len)
    with pytest.raises(ValueError, match="several files"):
        show_source(euler, Linear)
