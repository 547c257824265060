import subprocess
import sys

import pytest

MAPPED = """
import ctypes, sys, torch
from dit_lite.training.allocator import keep_freed_memory

class Mallinfo(ctypes.Structure):  # mallinfo2(3)
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

about = ctypes.CDLL(None).mallinfo2
about.restype = Mallinfo
assert sys.argv[1] == "no" or keep_freed_memory()
before = about().hblks
kept = [torch.ones(500_000) for _ in range(20)]  # 2 MB each, which glibc by default maps one by one and unmaps when freed
mapped = about().hblks - before
held = about().arena
del kept
print(mapped, held - about().arena)
"""


@pytest.mark.process
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="mallopt belongs to glibc"
)
def test_kept_memory_stays_in_the_heap():
    mapped, returned = {}, {}
    for kept in ("no", "yes"):
        printed = subprocess.run(
            [sys.executable, "-c", MAPPED, kept],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        mapped[kept], returned[kept] = map(int, printed.split())
    # the rest of the test would say nothing where blocks are not mapped by default
    assert mapped["no"] >= 19
    assert mapped["yes"] == 0
    assert returned["yes"] == 0
