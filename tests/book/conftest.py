"""One browser a session, and pages that must be clean when the test is over."""

from __future__ import annotations

import pytest
from browser import open_browser, visit


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
