"""A chapter runs from the installed wheel alone, without the checkout and without a
network, as it does in Colab.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile

import nbformat
import pytest
from browser import missing, require
from site_build import ROOT

CHAPTER = "02_patching"
#: What a notebook service without a network is: every connection to elsewhere fails.
OFFLINE = """
import socket

connect = socket.socket.connect


def local(self, address):
    host = address[0] if isinstance(address, tuple) else "127.0.0.1"
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise OSError(f"no network: {address}")
    return connect(self, address)


socket.socket.connect = local
"""
EXECUTE = """
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
client = NotebookClient(notebook, timeout=600, kernel_name="bare")
client.skip_cells_with_tag = ""  # a reader runs all
client.execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python that has the wheel, and the other packages of this environment, but
    not the checkout.
    """
    require(missing("hatchling", "ipykernel", "anywidget"))
    folder = tmp_path_factory.mktemp("bare")
    build = [
        sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps",
        "--no-build-isolation", "--no-index", "-q", "-w", str(folder),
    ]  # fmt: skip
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("dit_lite-*.whl")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True
    )
    python = folder / "env/bin/python"
    purelib = sysconfig.get_path("purelib", "venv", {"base": str(folder / "env")})
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(purelib)
    # a path in a .pth is searched, and its own .pth files, the checkout's, are not read
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (folder / "env" / purelib / "others.pth").write_text("\n".join(others))
    (folder / "env" / purelib / "sitecustomize.py").write_text(OFFLINE)
    kernel = ["-m", "ipykernel", "install", "--prefix", folder / "env"]
    subprocess.run([python, *kernel, "--name", "bare"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def ran(bare):
    """The outputs of the code cells of the chapter, by id, run in `bare`."""
    home = bare / "home"
    home.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "DIT_LITE_STATIC")
    } | {
        "DIT_LITE_BUDGET": "smoke",
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PATH": str(bare / "env/share/jupyter"),
    }
    # a copy, away from the checkout
    notebook = home / "chapter.ipynb"
    notebook.write_bytes((ROOT / f"book/chapters/{CHAPTER}.ipynb").read_bytes())
    where = {"cwd": home, "env": environment, "capture_output": True, "text": True}
    python = bare / "env/bin/python"
    probe = "import dit_lite; print(dit_lite.__file__)"
    found = subprocess.run([python, "-c", probe], **where).stdout.strip()
    assert found.startswith(str(bare)), f"the package of the wheel, not {found}"
    (home / "execute.py").write_text(EXECUTE)
    command = [python, "execute.py", notebook, home / "ran.ipynb"]
    done = subprocess.run(command, **where)
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(home / "ran.ipynb", 4).cells


def shown(cell, kind: str = "text/html") -> str:
    return "".join(
        output["data"].get(kind, "") for output in cell.outputs if "data" in output
    )


def calls(cells, name: str) -> list:
    return [c for c in cells if re.search(rf"^{name}\(", c.source, re.M)]


def test_run_all_reaches_the_end_of_a_chapter(ran):
    code = [cell for cell in ran if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    said = "".join(output.get("text", "") for cell in code for output in cell.outputs)
    assert "Traceback" not in said


def test_code_of_the_package_is_shown_from_the_wheel(ran):
    cells = calls(ran, "show_source")
    assert len(cells) >= 5
    for cell in cells:
        assert '<div class="dit-source-from">dit_lite/' in shown(cell)
        assert '<span class="k">' in shown(cell)


def test_exercises_say_not_yet_and_solutions_stay_closed(ran):
    stubs = [c for c in ran if "exercise" in c.metadata.get("tags", [])]
    assert len(stubs) == 5
    assert all("<strong>not yet</strong>" in shown(cell) for cell in stubs)
    solutions = calls(ran, "solution")
    assert len(solutions) == 5
    for cell in solutions:
        assert '<details class="dit-solution"><summary>' in shown(cell)
        assert cell.metadata["jupyter"] == {"source_hidden": True}


def test_recorded_results_and_claims_come_with_the_wheel(ran):
    assert len(calls(ran, "claim")) >= 5
    assert all("dit-claim" in shown(cell) for cell in calls(ran, "claim"))
    tables = calls(ran, "table")
    assert tables
    assert all("| --- |" in shown(cell, "text/markdown") for cell in tables)


def test_explorers_are_widgets_and_long_cells_have_a_bar(ran):
    view = "application/vnd.jupyter.widget-view+json"
    for name in ("predict", "patch_explorer"):
        for cell in calls(ran, name):
            assert any(view in o.get("data", {}) for o in cell.outputs), cell.source
    bars = [c for c in ran if c.cell_type == "code" and "in progress(" in c.source]
    assert bars
    assert all("training with " in json.dumps(cell.outputs) for cell in bars)
