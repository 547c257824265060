"""One browser a session, and pages that must be clean when the test is over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import site_build
from browser import (
    layout_shift,
    missing,
    open_browser,
    processor_time,
    require,
    serve,
    visit,
)
from jupyterlab_server import jupyterlab

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
BUILD = pytest.StashKey()


def place(config) -> Path:
    """The folder in which this session's pages are built, the same for every worker."""
    base = config._tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "book"


def needs_pages(item) -> bool:
    return "site" in getattr(item, "fixturenames", ())


def place_in_order(item) -> tuple[bool, str]:
    """Tests of pages come last, and page by page, so that one opening serves the
    tests that only read.
    """
    return needs_pages(item), item.callspec.params.get("name", "") if needs_pages(
        item
    ) and hasattr(item, "callspec") else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """The order of the tests, and the first worker begins to build the pages now."""
    items.sort(key=place_in_order)
    if (
        items
        and needs_pages(items[-1])
        and WORKER == "gw0"
        and not config.option.collectonly
        and not site_build.current()
    ):
        config.stash[BUILD] = site_build.begin(place(config))


def pytest_sessionfinish(session):
    if build := session.config.stash.get(BUILD, None):
        site_build.end(build)


@pytest.fixture(scope="session")
def site(pytestconfig) -> Path:
    """The folder of the pages."""
    return site_build.current() or site_build.pages(place(pytestconfig))


@pytest.fixture(scope="session")
def address(site):
    with serve(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture
def clean_page(browser):
    """A function that opens a page (url, width=1280, **context); when the test ends,
    no error and no request that left may be on record.
    """
    visits = []

    def open_page(url: str, **options):
        visits.append(visit(browser, url, **options))
        return visits[-1].page

    yield open_page
    for seen in visits:
        seen.check()
        seen.page.context.close()


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("DIT_LITE_STATIC", "1")


def kept_open(opened):
    """A function that gives the visit to the page of a name, made by `opened` and kept
    open until another page is asked for; it must be clean so far.
    """
    last = {}

    def visit_of(name: str):
        if name not in last:
            for seen in last.values():
                seen.page.context.close()
            last.clear()
            last[name] = opened(name)
        last[name].check()
        return last[name]

    return visit_of


@pytest.fixture(scope="session")
def visited(address, browser):
    """A function that gives the visit to the page of a name, for the tests that only
    read.
    """

    def opened(name: str):
        seen = visit(browser, f"{address}/{name}.html", color_scheme="light")
        seen.settle()
        seen.work = processor_time(seen.page)
        seen.shift = layout_shift(seen.page)
        return seen

    return kept_open(opened)


@pytest.fixture(scope="session")
def read(visited):
    """The same, but the page."""
    return lambda name: visited(name).page


@pytest.fixture(scope="session")
def dark_visits(site, browser):
    def opened(name: str):
        url = (site / f"{name}.html").as_uri()
        return visit(browser, url, width=360, color_scheme="dark")

    return kept_open(opened)


@pytest.fixture
def in_the_dark(dark_visits):
    """A function that gives the page of a name from the file system, dark and of a
    given width, to tests that may change it; it must be clean when they end.
    """
    used = []

    def page_of(name: str, width: int):
        used.append(dark_visits(name))
        page = used[-1].page
        page.set_viewport_size({"width": width, "height": 900})
        return page

    yield page_of
    for seen in used:
        seen.check()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab, which the tests in it share (tests/conftest.py)."""
    require(missing("jupyterlab", "anywidget"))
    with jupyterlab(tmp_path_factory.mktemp("lab")) as started:
        yield started


def opener(folder: Path, root: str, clean_page):
    """A function that puts outputs on a page of the given theme, in `folder`, and
    opens it below `root`.
    """

    def open_page(*outputs, theme="", after="", **options):
        body = "".join(
            f'<div class="output text_html">{output.data}</div>' for output in outputs
        )
        text = (
            f'<!doctype html><html lang="en" {theme}><meta charset="utf-8"><meta '
            'name="viewport" content="width=device-width">'
        )
        text += (
            '<title>explorers</title><link rel="icon" '
            f'href="data:,"><body>{body}<p>after</p>{after}</body></html>'
        )
        (folder / "page.html").write_text(text, encoding="utf-8")
        page = clean_page(f"{root}/page.html", **options)
        page.wait_for_function(
            "[...document.querySelectorAll('.dit-body')].every(body => "
            "body.children.length > 1)"
        )
        return page

    return open_page


@pytest.fixture
def show(tmp_path, clean_page, static):
    """A function that opens explorers from the file system, which is the stricter
    home; the built pages, with all explorers, come from a server.
    """
    return opener(tmp_path, tmp_path.as_uri(), clean_page)
