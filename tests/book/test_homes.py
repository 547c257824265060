"""The other homes of an explorer: a sandboxed frame without anywidget, as in Colab,
and JupyterLab with a kernel that recomputes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import numpy as np
import pytest
from browser import PATIENCE, missing, pixels, require, visit
from test_explorers import FRAMES, GUIDANCE, X0, S, everything

from dit_lite.widgets import sampling_explorer

pytestmark = pytest.mark.browser


def test_without_anywidget_explorers_work_in_a_sandboxed_frame(
    tmp_path, clean_page, monkeypatch
):
    monkeypatch.delenv("DIT_LITE_STATIC", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    walks = sampling_explorer(
        FRAMES[:, 0],
        X0[:, 0],
        np.linspace(1, 0, S + 1),
        {"guidance": GUIDANCE},
        on={"seed": lambda widget: None},
    )
    outputs = [walks, *everything()]
    frames = "".join(
        (
            '<iframe sandbox="allow-scripts" width="600" height="700" '
            f'srcdoc="{escape(output.data)}"></iframe>'
        )
        for output in outputs
    )
    (tmp_path / "page.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" '
        f'href="data:,"><body>{frames}',
        encoding="utf-8",
    )
    page = clean_page((tmp_path / "page.html").as_uri())
    for i in range(len(outputs)):
        page.frame_locator("iframe").nth(i).locator(
            ".dit-body > :nth-child(2), figure"
        ).first.wait_for(state="attached")
    frame = page.frame_locator("iframe").first
    assert frame.get_by_role("button", name="new seed").count() == 0, (
        "no kernel would answer it"
    )
    state = frame.get_by_role("img", name="state x_t")
    frame.get_by_role("radio", name="1.5").check()
    assert (pixels(state) == FRAMES[1, 0, 8]).all()
    frame.get_by_role("slider", name="step").press("ArrowRight")
    assert (pixels(state) == FRAMES[1, 0, 9]).all()


def walk(seed: int) -> np.ndarray:
    """What the kernel of the notebook below computes: three grey states."""
    return np.random.default_rng(seed).integers(0, 256, (3, 4, 4), dtype=np.uint8)


LIVE = """import numpy as np

from dit_lite.widgets import sampling_explorer


def walk(seed):
    return np.random.default_rng(seed).integers(0, 256, (3, 4, 4), dtype=np.uint8)


def recompute(widget):
    widget.frames, widget.x0 = walk(widget.seed), walk(widget.seed + 100)


sampling_explorer(walk(0), walk(100), [1.0, 0.5, 0.0], on={"seed": recompute}, step=1)"""


def cell(source: str) -> dict:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"cell-{len(source)}",
        "metadata": {},
        "outputs": [],
        "source": source,
    }


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """A JupyterLab of this environment that shows `folder` and knows no settings of
    the user; yields its address.
    """
    home, notebooks = folder / "home", folder / "notebooks"
    (home / "config/labconfig").mkdir(parents=True)
    quiet = {
        "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
    }
    (home / "config/labconfig/page_config.json").write_text(
        json.dumps(quiet), encoding="utf-8"
    )
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
              "JUPYTERLAB_SETTINGS_DIR": "settings",
              "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}  # fmt: skip
    environment = os.environ | {
        name: str(home / place) for name, place in places.items()
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DIT_LITE_STATIC": "0",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
    "--ServerApp.port=0", "--IdentityProvider.token=",
               f"--ServerApp.root_dir={notebooks}",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(PATIENCE // 100):
            if found := list((home / "runtime").glob("jpserver-*.json")):
                break
            assert server.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        assert found, (home / "log").read_text()
        yield f"http://127.0.0.1:{json.loads(found[0].read_text())['port']}"
    finally:
        server.terminate()  # it ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def test_in_jupyterlab_the_kernel_recomputes_and_arrow_keys_stay_with_the_explorer(
    tmp_path, browser
):
    require(missing("jupyterlab", "anywidget"))
    (tmp_path / "notebooks").mkdir()
    kernel = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
    }
    notebook = {
        "cells": [cell(LIVE), cell("1 + 1")],
        "metadata": kernel,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "notebooks/live.ipynb").write_text(
        json.dumps(notebook), encoding="utf-8"
    )
    with jupyterlab(tmp_path) as address:
        seen = visit(browser, f"{address}/lab/tree/live.ipynb")
        page = seen.page
        # connected; what is sent earlier can get lost
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+Enter")
        state, belief = (
            page.get_by_role("img", name=name)
            for name in ("state x_t", "predicted image x0")
        )
        state.wait_for()

        def shows(seed: int, step: int) -> None:
            for canvas, source in ((state, walk(seed)), (belief, walk(seed + 100))):
                for _ in range(PATIENCE // 100):
                    if (pixels(canvas)[..., 0] == source[step]).all():
                        break
                    page.wait_for_timeout(100)
                assert (pixels(canvas)[..., 0] == source[step]).all(), (seed, step)

        shows(0, 1)
        page.get_by_role("slider", name="step").press("ArrowRight")
        shows(0, 2)
        again = page.get_by_role("button", name="new seed")
        again.click()
        shows(1, 2)
        again.press("Enter")
        shows(2, 2)
        for key in ("ArrowDown", "ArrowUp", "ArrowLeft"):
            page.get_by_role("slider", name="step").press(key)
        shows(2, 1)
        active = page.locator(".jp-Cell").evaluate_all(
            "cells => cells.map(cell => cell.classList.contains('jp-mod-active'))"
        )
        assert active == [True, False], "JupyterLab took no arrow key"
        assert not seen.blocked, seen.blocked
        page.context.close()
