"""A real browser that lets no request out: for single explorers and for the pages of the built book."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PIXELS = "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
LOCAL = ("http://127.0.0.1", "data:", "blob:", "file:")


def find_chromium() -> str | None:
    """The browser's path: DIT_LITE_CHROMIUM, or one on the PATH."""
    named = os.environ.get("DIT_LITE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def open_browser() -> Iterator:
    """Chromium under Playwright. Without it a test is skipped, and fails where CI=true."""
    missing = None
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = 'Playwright is not installed: pip install "dit-lite[test]"'
    path = find_chromium()
    if not path:
        missing = "no Chromium found: install one, or name it in DIT_LITE_CHROMIUM"
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, *_):
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder's address on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
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
    blocked: list[str] = field(default_factory=list)  # requests that wanted to leave

    def check(self) -> None:
        assert not self.errors, f"the console shows {self.errors}"
        assert not self.blocked, f"the page asked for {self.blocked}"


def visit(browser, url: str, width: int = 1280, height: int = 900, **context) -> Visit:
    """Open a page whose every request beyond this machine is blocked and noted. `context` goes to Playwright's new_context."""
    page = browser.new_context(viewport={"width": width, "height": height}, **context).new_page()
    page.set_default_timeout(15_000)
    seen = Visit(page)

    def route(route):
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            seen.blocked.append(route.request.url)
            route.abort()

    page.route("**/*", route)
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.goto(url)
    return seen


def pixels(canvas, channels: int = 3) -> np.ndarray:
    """What a canvas shows, (H, W, channels) uint8; all of it opaque unless the fourth channel is asked for."""
    width, height = canvas.get_attribute("width"), canvas.get_attribute("height")
    rgba = np.array(canvas.evaluate(PIXELS), dtype=np.uint8).reshape(int(height), int(width), 4)
    assert channels == 4 or (rgba[..., 3] == 255).all()
    return rgba[..., :channels]
