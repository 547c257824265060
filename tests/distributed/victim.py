"""A run that torchrun restarts: on each attempt something else goes wrong.

    torchrun --nproc-per-node 2 --max-restarts 3 victim.py DIR FAULT,FAULT...

"kill": SIGKILL of rank 1 in the middle of a step. "save": SIGKILL of all ranks in the
middle of a save. "hang": rank 1 sleeps where it should fetch a batch. "none".
"""

from __future__ import annotations

import os
import signal
import sys
import time

from runs import run_config

from dit_lite.distributed import sharded, trainer

ATTEMPT, RANK = (
    int(os.environ.get(name, "0")) for name in ("TORCHELASTIC_RESTART_COUNT", "RANK")
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def break_at(fault: str) -> None:
    """Prepare the fault of this attempt."""
    if fault == "save":
        sharded.checksum = lambda path: die()
        return
    base = trainer.ParallelTrainer

    class Broken(base):
        def clip(self):
            if fault == "kill" and RANK == 1 and self.step == 5:
                die()
            return super().clip()

        def drop_labels(self, y):
            if fault == "hang" and RANK == 1 and self.step == 9:
                time.sleep(600)
            return super().drop_labels(y)

    trainer.ParallelTrainer = Broken


if __name__ == "__main__":
    directory, faults = sys.argv[1], sys.argv[2].split(",")
    break_at(faults[ATTEMPT] if len(faults) > ATTEMPT else "none")
    config = run_config(
        out=directory, steps=12, save_every=4, parallel="ddp", device="cpu"
    )
    trainer.train(config, resume="auto", progress=False)
