"""A real browser that lets no request out: for single explorers and for the pages of
the built book.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PIXELS = (
    "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, "
    "canvas.height).data]"
)
SHIFT = """() => new Promise(done => {
    new PerformanceObserver(list => done(list.getEntries().filter(e => !e.hadRecentInput).reduce((sum, e) => sum + e.value, 0)))
        .observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => done(0), 300);
})"""
LOCAL = ("http://127.0.0.1", "data:", "blob:", "file:")
PATIENCE = 60_000  # milliseconds: a busy machine is no fault of a page
QUIET = 0.5  # seconds without a request, after which a page is taken to be complete
#: The first is the same engine without a window to draw, at half the processor time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The browser's path: DIT_LITE_CHROMIUM, or one on the PATH."""
    named = os.environ.get("DIT_LITE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


def missing(*modules: str) -> str | None:
    """What has to be installed before a test that needs `modules` can run; None if
    nothing.
    """
    absent = [name for name in modules if find_spec(name) is None]
    return f"install {', '.join(absent)}" if absent else None


def missing_browser() -> str | None:
    """What has to be installed before the tests of pages can run; None if nothing."""
    return missing("playwright", "axe_playwright_python") or (
        None if find_chromium() else "install Chromium, or name it in DIT_LITE_CHROMIUM"
    )


def require(lack: str | None) -> None:
    """Where something is lacking the test is skipped, and fails where CI=true."""
    if lack:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"to run this, {lack}"
        )


@contextmanager
def open_browser() -> Iterator:
    """Chromium under Playwright."""
    require(missing_browser())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=ARGUMENTS
        )
        try:
            yield browser
        finally:
            browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_):
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder's address on this machine."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Visit:
    """A page, with what went wrong on it."""

    page: object
    errors: list[str] = field(default_factory=list)  # of the console, and uncaught
    requests: list[str] = field(default_factory=list)  # answered ones
    blocked: list[str] = field(default_factory=list)  # requests that wanted to leave
    open: set = field(default_factory=set)  # requests on their way
    # when the latest request began or ended
    last: float = field(default_factory=time.monotonic)
    # seconds of processor time until everything was there, where someone measured it
    work: float = 0.0
    # how much of the page moved until then, as browsers count it (cumulative layout
    # shift)
    shift: float = 0.0

    def check(self) -> None:
        assert not self.errors, f"the console shows {self.errors}"
        assert not self.blocked, f"the page asked for {self.blocked}"

    def began(self, request) -> None:
        self.open.add(request)
        self.last = time.monotonic()

    def ended(self, request) -> None:
        self.open.discard(request)
        self.last = time.monotonic()

    def settle(self) -> None:
        """Wait until the page asks for nothing more."""
        end = time.monotonic() + PATIENCE / 1000
        while self.open or time.monotonic() < self.last + QUIET:
            assert time.monotonic() < end, (
                f"still loading: {[request.url for request in self.open]}"
            )
            self.page.wait_for_timeout(50)


def visit(browser, url: str, width: int = 1280, height: int = 900, **context) -> Visit:
    """Open a page whose every request beyond this machine is blocked and noted.
    `context` goes to Playwright's new_context.
    """
    page = browser.new_context(
        viewport={"width": width, "height": height}, **context
    ).new_page()
    page.set_default_timeout(PATIENCE)
    seen = Visit(page)

    def route(route):
        if route.request.url.startswith(LOCAL):
            seen.requests.append(route.request.url)
            route.continue_()
        else:
            seen.blocked.append(route.request.url)
            route.abort()

    page.route("**/*", route)
    page.on("request", seen.began)
    page.on("requestfinished", seen.ended)
    page.on("requestfailed", seen.ended)
    page.on(
        "console",
        lambda message: (
            seen.errors.append(message.text) if message.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.goto(url)
    return seen


def processor_time(page) -> float:
    """Seconds for which the page has kept a processor busy; unlike the clock it does
    not count what else the machine did.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = {
        metric["name"]: metric["value"]
        for metric in session.send("Performance.getMetrics")["metrics"]
    }
    session.detach()
    return metrics["ProcessTime"]


def layout_shift(page) -> float:
    """The sum of all shifts of the layout so far that no input caused; what a test
    does to a page, such as printing it, counts as well.
    """
    return page.evaluate(SHIFT)


def pixels(canvas, channels: int = 3) -> np.ndarray:
    """What a canvas shows, (H, W, channels) uint8; all of it opaque unless the
    fourth channel is asked for.
    """
    width, height = canvas.get_attribute("width"), canvas.get_attribute("height")
    rgba = np.array(canvas.evaluate(PIXELS), dtype=np.uint8).reshape(
        int(height), int(width), 4
    )
    assert channels == 4 or (rgba[..., 3] == 255).all()
    return rgba[..., :channels]
