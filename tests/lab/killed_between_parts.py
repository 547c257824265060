"""An experiment of four parts, in a process that may kill itself."""

import os
import signal
from pathlib import Path

from dit_lite.lab import experiment, results, run_experiment


def kill(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_toy(checkout: Path, harm: str) -> None:
    """Run it in `checkout`. `harm` kills in the middle of saving the first part
    ("replace"), at the start of the third part that is done here ("part"), or never.
    """
    results.resource = lambda name: checkout / name
    did = []

    def square(k):
        did.append(k)
        if harm == "part" and len(did) == 3:
            kill()
        with open(checkout / "did", "a") as file:
            file.write(f"{k} ")
        return [k, k**2]

    @experiment("What are squares?", cpu=dict(n=4))
    def toy(parts, n):
        return {"rows": parts.map(square, [dict(k=k) for k in range(n)])}

    if harm == "replace":
        os.replace = kill
    run_experiment("toy", "cpu")
