"""The last line of `make test`: what did not run on this machine, and what would
make it run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "book"))
from browser import missing, missing_browser

no_browser = missing_browser()
lacks = {
    "tests of the pages": no_browser,
    "tests in JupyterLab": no_browser or missing("jupyterlab", "anywidget"),
    "tests on a GPU": None
    if torch.cuda.is_available()
    else "find a machine that has one",
}
not_run = "; ".join(f"{tests} ({lack})" for tests, lack in lacks.items() if lack)
print(f"Not run here: {not_run}." if not_run else "Everything ran.")
