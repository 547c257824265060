"""What ten silent bugs of distributed training do to a run that looks healthy."""

import tempfile

import torch
import torch.distributed as dist
from torch import Tensor

from ...distributed.bugs import BUGS
from ...distributed.processes import run
from ...distributed.trainer import ParallelTrainer
from ...distributed.wire import Wire
from ...lab import Parts, experiment, grid
from ._runs import held_out_loss, run_config, trainer, weights

#: The setting that triggers a bug, where the common run does not.
SHOWN_BY = {
    "unweighted mean over uneven parts": dict(batch_size=9),
    "no_sync around backward only": dict(accumulate=2),
    "clipping by local norms": dict(clip=0.1),
    "labels dropped at the same places": dict(label_dropout=0.5),
}
#: Bugs of sharded runs.
SHARDED = ("clipping by local norms", "a gathered checkpoint with stale shards")
RESUMED = "resume forgets the loader"


class SharedStatistics(ParallelTrainer):
    """Images are standardised by the mean and standard deviation of the whole batch:
    what OwnStatistics should do.
    """

    def backward(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        sums = torch.stack([torch.tensor(float(x.numel())), x.sum(), x.square().sum()])
        dist.all_reduce(sums)
        count, total, squares = sums
        mean = total / count
        deviation = ((squares - count * mean**2) / (count - 1)).sqrt()
        return super().backward((x - mean) / deviation, y, t, eps)


#: What a bug is compared with, where that is not the plain trainer.
RIGHT = {"statistics per rank": SharedStatistics}


@experiment(
    "What do ten silent bugs do to the weights, the bytes and the loss?",
    seconds=dict(cpu=240.0),
    smoke=dict(bugs=["the same noise on every rank"], seeds=[0], steps=4),
    cpu=dict(bugs=list(BUGS), seeds=[0, 1, 2], steps=100),
)
def bug_harm(parts: Parts, bugs: list[str], seeds: list[int], steps: int) -> dict:
    """Train with every bug and with the correct trainer, on two processes from the same
    seed.

    `distance` is the distance between their final weights, relative to how far the
    correct weights moved; `loss` and `right_loss` are held-out losses, `bytes` is the
    bytes of a step relative to the correct ones.
    """
    return {"rows": parts.map(one_bug, grid(bug=bugs, seed=seeds), steps=steps)}


def one_bug(bug: str, seed: int, steps: int) -> dict:
    """One bug and the correct trainer, in one launch."""
    with tempfile.TemporaryDirectory() as directory:
        return run(2, both, bug, seed, steps, directory)[0] | dict(bug=bug, seed=seed)


def both(bug: str, seed: int, steps: int, directory: str) -> dict:
    """This rank's measurements of both."""
    kinds = {"bug": BUGS[bug], "right": RIGHT.get(bug, ParallelTrainer)}
    found = {}
    for name, kind in kinds.items():
        config = run_config(
            steps,
            seed=seed,
            **SHOWN_BY.get(bug, {}),
            out=f"{directory}/{name}" if bug == RESUMED else None,
        )
        parallel = "fsdp" if bug in SHARDED else "ddp"
        one = trainer(kind, config, parallel)
        start = weights(one).clone()
        for step in range(steps - 1):
            one.train_step()
            if bug == RESUMED and step + 1 in (steps // 4, steps // 2, 3 * steps // 4):
                one = resumed(one, kind, config, parallel)
        with Wire() as wire:
            one.train_step()
        found[name] = weights(one), wire.sent, held_out_loss(one)
    (wrong, sent, loss), (right, needed, right_loss) = found["bug"], found["right"]
    return {
        "distance": ((wrong - right).norm() / (right - start).norm()).item(),
        "loss": loss,
        "right_loss": right_loss,
        "bytes": sent / needed,
    }


def resumed(one: ParallelTrainer, kind: type, config, parallel: str) -> ParallelTrainer:
    """A run that is stopped here and resumed."""
    one.save()
    one.directory.close()
    return trainer(kind, config, parallel, resume=True)
