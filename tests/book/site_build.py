"""The book's pages for the tests: those of `make book` when they are current, else a
build at budget smoke, begun while other tests run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book/_ext"))
from dit_book import PAGES, SOURCES, STAMP, sources_hash  # noqa: E402

LIMIT = 900  # seconds


def current() -> Path | None:
    """The pages of `make book`, if they are of this state of the repository."""
    built = ROOT / "book/_build/html"
    return (
        built
        if (built / STAMP).exists()
        and (built / STAMP).read_text() == sources_hash(SOURCES + PAGES)
        else None
    )


def begin(out: Path) -> subprocess.Popen:
    """Start to build the book below `out`; what the build says goes to out/log, and
    its exit status, at the end, to out/status.
    """
    out.mkdir()
    environment = os.environ | {
        "DIT_LITE_BUDGET": "smoke",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    build = (
        f'jupyter-book build book/ -W --keep-going --path-output "{out}" > '
        f'"{out}/log" 2>&1; echo $? > "{out}/.status"; mv "{out}/.status" '
        f'"{out}/status"'
    )
    return subprocess.Popen(
        ["sh", "-c", build], cwd=ROOT, env=environment, start_new_session=True
    )


def end(build: subprocess.Popen) -> None:
    """Stop a build that nobody waits for any more."""
    if build.poll() is None:
        os.killpg(build.pid, signal.SIGTERM)
        build.wait()


def pages(out: Path) -> Path:
    """The pages that `begin(out)` builds, when they are there."""
    for _ in range(10 * LIMIT):
        if (out / "status").exists():
            break
        time.sleep(0.1)
    log = (out / "log").read_text() if (out / "log").exists() else "it never began"
    assert (out / "status").exists(), (
        f"the book was not built in {LIMIT} seconds:\n{log[-3000:]}"
    )
    assert (out / "status").read_text().strip() == "0", log[-6000:]
    return out / "_build/html"
