"""The last line of `make test`: what did not run on this machine, and what would make it run."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "book"))
from browser import find_chromium

missing = []
if find_chromium() is None:
    missing.append("tests of the pages (install Chromium, or name it in DIT_LITE_CHROMIUM)")
if not torch.cuda.is_available():
    missing.append("tests on a GPU (there is none)")
print(f"Not run here: {'; '.join(missing)}." if missing else "Everything ran.")
