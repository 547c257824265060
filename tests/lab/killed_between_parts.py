"""An experiment of four parts in a process that may kill itself.

python killed_between_parts.py CHECKOUT replace|part|none: in the middle of saving the
first part, at the start of the third part done here, or never.
"""

import os
import signal
import sys
from pathlib import Path

from dit_lite.lab import experiment, results, run_experiment

checkout, harm = Path(sys.argv[1]), sys.argv[2]
results.resource = lambda name: checkout / name
calls = 0


def square(k):
    global calls
    calls += 1
    if harm == "part" and calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    with open(checkout / "did", "a") as file:
        file.write(f"{k} ")
    return [k, k**2]


@experiment("What are squares?", cpu=dict(n=4))
def toy(parts, n):
    return {"rows": parts.map(square, [dict(k=k) for k in range(n)])}


if harm == "replace":
    os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
run_experiment("toy", "cpu")
