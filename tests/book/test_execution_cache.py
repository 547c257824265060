"""A chapter that ran under nbmake is not run again by a build at budget smoke, unless
its sources have changed.
"""

import importlib.util

import dit_book
import pytest
from site_build import ROOT


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setattr(dit_book, "BOOK", tmp_path)
    monkeypatch.setenv("DIT_LITE_BUDGET", "smoke")
    return tmp_path


def test_budget_smoke_has_one_cache_and_other_builds_their_own(book, monkeypatch):
    here = dit_book.execution_cache(book / "elsewhere")
    assert here == dit_book.execution_cache(book / "_build")
    assert here.name == dit_book.sources_hash()
    monkeypatch.setenv("DIT_LITE_BUDGET", "cpu")
    assert (
        dit_book.execution_cache(book / "elsewhere").parent
        == book / "elsewhere/.jupyter_cache"
    )


def test_what_other_sources_made_is_removed(book):
    old = book / "_build/.smoke_cache/0123456789ab"
    old.mkdir(parents=True)
    dit_book.execution_cache(book)
    assert not old.exists()


def test_what_nbmake_ran_is_found_by_the_build(book, monkeypatch):
    # the conftest of the book sets both, and they are put back
    monkeypatch.setenv("DIT_LITE_STATIC", "")
    spec = importlib.util.spec_from_file_location(
        "book_conftest", ROOT / "book/conftest.py"
    )
    from nbmake import pytest_items

    monkeypatch.setattr(pytest_items, "NotebookRun", pytest_items.NotebookRun)
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    import nbformat  # three seconds, which other workers need not spend

    ran = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    fresh = nbformat.from_dict(ran)
    ran.cells[0].outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "2"})
    ]
    # as nbclient leaves them
    ran.cells[0].metadata.execution = {"iopub.status.busy": "2026-11-30T08:39:51.9Z"}
    ran.metadata.language_info = {"name": "python", "version": "3.11.7"}
    conftest.keep(ran, book / "chapter.ipynb", 0.1)

    from jupyter_cache import get_cache

    found = get_cache(str(dit_book.execution_cache(book))).merge_match_into_notebook(
        fresh
    )[1]
    assert found.cells[0].outputs[0].data["text/plain"] == "2"
    fresh.cells[0].source = "1 + 2"
    with pytest.raises(KeyError):
        get_cache(str(dit_book.execution_cache(book))).match_cache_notebook(fresh)
