"""Tests of modules that start processes are marked as such, for `make quick`."""

import processes
import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if getattr(item.module, "run", None) is processes.run:
            item.add_marker(pytest.mark.process)
