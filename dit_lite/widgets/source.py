"""Code of the package, shown where the text discusses it: highlighted on the page, in
JupyterLab and in Colab.
"""

import inspect
import sys
import textwrap
from html import escape
from pathlib import Path

from .card import card
from .explorer import Html


class Source(Html):
    """Code with its file name, as HTML, and as plain text where HTML is not shown."""

    def __init__(self, data: str, code: str):
        super().__init__(data)
        self.code = code

    def __repr__(self) -> str:
        return self.code


def show_source(*objects) -> Source:
    """Show the code of classes, functions or methods, dedented, under the name of their
    file.

    Raises TypeError for an object without Python code, ValueError for no objects or for
    objects from several files.
    """
    if not objects:
        raise ValueError("objects is empty; expected a class, function or method")
    files = {file_of(thing) for thing in objects}
    if len(files) > 1:
        raise ValueError(
            f"objects are in several files, {', '.join(sorted(files))}; show each file "
            "separately"
        )
    code = "\n\n".join(code_of(thing) for thing in objects)
    head = f'<div class="dit-source-from">{escape(files.pop())}</div>'
    return Source(card(head + highlighted(code), "dit-source").data, code)


def code_of(thing) -> str:
    """The dedented source of a class, function or method. Raises TypeError for
    anything else.
    """
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(thing))).rstrip()
    except (TypeError, OSError) as error:
        raise TypeError(
            f"{thing!r} has no source to show ({error}); expected a class, function "
            "or method of the package"
        ) from None


def file_of(thing) -> str:
    """The file of an object, relative to the root of its package:
    dit_lite/model/dit.py.
    """
    module = inspect.getmodule(inspect.unwrap(thing))
    if module is None or getattr(module, "__file__", None) is None:
        raise TypeError(
            f"{thing!r} is not in a file; expected a class, function or method of the "
            "package"
        )
    top = sys.modules[module.__name__.partition(".")[0]]
    root = Path(top.__file__).parent
    if root.joinpath("__init__.py") == Path(top.__file__):
        root = root.parent
    return Path(module.__file__).relative_to(root).as_posix()


def highlighted(code: str) -> str:
    """Python code as HTML in the colours of card.css; plain where Pygments, which comes
    with IPython, is missing.
    """
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        inner = escape(code)
    else:
        inner = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
    return f'<pre class="dit-code">{inner}</pre>'
