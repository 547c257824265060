"""Under pytest --nbmake the live parts of the chapters run at budget smoke, and what
ran is kept: the tests of the pages need not run it again.
"""

import os
import sys
import time
from pathlib import Path

from nbmake import pytest_items

os.environ |= {"DIT_LITE_BUDGET": "smoke", "DIT_LITE_STATIC": "1"}
os.environ.setdefault("OMP_NUM_THREADS", "2")
BOOK = Path(__file__).parent


class Kept(pytest_items.NotebookRun):
    """A run whose outputs, when no cell failed, go where a build of the book at budget
    smoke looks for them.
    """

    def execute(self):
        began = time.perf_counter()
        result = super().execute()
        if result.error is None:
            keep(result.nb, self.filename, time.perf_counter() - began)
        return result


def keep(notebook, source: Path, seconds: float) -> None:
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    sys.path.insert(0, str(BOOK / "_ext"))
    from dit_book import execution_cache

    # a cache compares all metadata of cells, and times of execution are never alike
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    bundle = CacheBundleIn(notebook, str(source), data={"execution_seconds": seconds})
    get_cache(str(execution_cache(BOOK / "_build"))).cache_notebook_bundle(
        bundle, check_validity=False, overwrite=True
    )


pytest_items.NotebookRun = Kept
