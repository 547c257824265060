"""A JupyterLab for the tests, and notebooks to open in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from browser import PATIENCE, Visit, visit


def notebook_of(*sources: str) -> str:
    """A notebook of these cells of code."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for i, source in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {
            "cells": cells,
            "metadata": {"kernelspec": kernel},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def announced_port(runtime: Path) -> int | None:
    """The port in the file that a server leaves there; none before it is written, and
    none while it is: the file is there before its text.
    """
    for file in runtime.glob("jpserver-*.json"):
        with suppress(json.JSONDecodeError):
            return json.loads(file.read_text())["port"]
    return None


class Lab(NamedTuple):
    """A JupyterLab that runs."""

    address: str
    notebooks: Path

    def open(self, browser, name: str, notebook: str) -> Visit:
        """A notebook in a page of its own, its kernel connected: what is sent earlier
        can get lost.
        """
        (self.notebooks / f"{name}.ipynb").write_text(notebook, encoding="utf-8")
        # a workspace of its own: another would bring back what was open in it
        place = f"lab/workspaces/{name}/tree/{name}.ipynb"
        seen = visit(browser, f"{self.address}/{place}")
        seen.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        return seen


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Lab]:
    """A JupyterLab of this environment in `folder`, at budget smoke, that knows no
    settings of the user.
    """
    home, notebooks = folder / "home", folder / "notebooks"
    notebooks.mkdir()
    (home / "config/labconfig").mkdir(parents=True)
    quiet = {
        "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
    }
    (home / "config/labconfig/page_config.json").write_text(
        json.dumps(quiet), encoding="utf-8"
    )
    # every cell is on the page, also those out of sight
    whole = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
    (home / "config/labconfig/default_setting_overrides.json").write_text(
        json.dumps(whole), encoding="utf-8"
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
        "DIT_LITE_BUDGET": "smoke",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
    "--ServerApp.port=0", "--IdentityProvider.token=",
               f"--ServerApp.root_dir={notebooks}",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(PATIENCE // 100):
            if port := announced_port(home / "runtime"):
                break
            assert server.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        assert port, (home / "log").read_text()
        yield Lab(f"http://127.0.0.1:{port}", notebooks)
    finally:
        server.terminate()  # it ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
