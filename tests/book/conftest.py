"""One browser a session, and pages that must be clean when the test is over."""

from __future__ import annotations

import pytest
from browser import open_browser, serve, visit


@pytest.fixture(scope="session")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture
def clean_page(browser):
    """A function that opens a page (url, width=1280, **context); when the test ends, no error and no request that left may be on record."""
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


@pytest.fixture(params=["file", "http"])
def show(request, tmp_path, clean_page, static):
    """A function that puts outputs on a page of the given theme and opens it, from a file or from a server."""
    with serve(tmp_path) as address:

        def open_page(*outputs, theme="", after="", **options):
            body = "".join(f'<div class="output text_html">{output.data}</div>' for output in outputs)
            text = f'<!doctype html><html lang="en" {theme}><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            text += f'<title>explorers</title><link rel="icon" href="data:,"><body>{body}<p>after</p>{after}</body></html>'
            (tmp_path / "page.html").write_text(text, encoding="utf-8")
            page = clean_page((f"{address}/" if request.param == "http" else f"{tmp_path.as_uri()}/") + "page.html", **options)
            page.wait_for_function("[...document.querySelectorAll('.dit-body')].every(body => body.children.length > 1)")
            return page

        yield open_page
