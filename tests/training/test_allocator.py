import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from dit_lite.training.allocator import keep_freed_memory
assert sys.argv[1] == "no" or keep_freed_memory()
def work():
    return sum((torch.ones(500_000) + i).sum().item() for i in range(20))
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt belongs to glibc")
def test_kept_memory_is_not_faulted_in_again():
    faults = {
        kept: int(subprocess.run([sys.executable, "-c", FAULTS, kept], capture_output=True, text=True, check=True).stdout) for kept in ("no", "yes")
    }
    assert faults["yes"] < 100 < faults["no"], faults
