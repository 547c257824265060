"""Every bug of the zoo is found, and the right trainer passes the same test."""

import functools
import tempfile

import pytest
import torch
from processes import run
from runs import run_config, sgd

from dit_lite.distributed.bugs import BUGS
from dit_lite.distributed.strategy import Strategy
from dit_lite.distributed.trainer import ParallelTrainer
from dit_lite.distributed.wire import Wire
from dit_lite.training import optim
from dit_lite.training.loop import Trainer

#: What shows each bug, where the common run does not.
SHOWN_BY = {
    "unweighted mean over uneven parts": dict(batch_size=5),
    "no_sync around backward only": dict(accumulate=2),
    "clipping by local norms": dict(clip=0.1),
    "labels dropped at the same places": dict(label_dropout=0.5),
}
SHARDED = ("clipping by local norms", "a gathered checkpoint with stale shards")
RIGHT = "no bug"


def weights(run_) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(run_.averaged().parameters())


def with_ranks(names, shown_by, sharded, resume, out):
    """Averaged weights after eight steps, and bytes sent in the last, for each name;
    with `resume` the run is broken off after two.
    """
    optim.OPTIMISERS["adamw"] = sgd
    found = {}
    for i, name in enumerate(names):
        kind = BUGS.get(name, ParallelTrainer)
        directory = f"{out}/{i}" if resume else None
        config = run_config(
            **dict(steps=8, save_every=2, out=directory, lr=0.5) | shown_by
        )
        strategy = Strategy.parse("fsdp" if sharded else "ddp")
        one = kind(config, strategy)
        for _ in range(2):
            one.train_step()
        if resume:
            one.save()
            one.directory.close()
            one = kind(config, strategy, resume=True)
        for _ in range(5):
            one.train_step()
        with Wire() as wire:
            one.train_step()
        found[name] = weights(one), wire.sent
    return found


def alone(shown_by):
    optim.OPTIMISERS["adamw"] = sgd
    one = Trainer(run_config(**dict(steps=8, lr=0.5) | shown_by))
    start = weights(one).clone()
    for _ in range(8):
        one.train_step()
    return start, weights(one)


def setting(name: str) -> tuple:
    """What shows a bug, whether weights are sharded, and whether the run is resumed."""
    shown_by = SHOWN_BY.get(name, {})
    return (
        tuple(shown_by.items()),
        name in SHARDED,
        name == "resume forgets the loader",
    )


@functools.cache
def one_process(shown_by: tuple):
    return run(1, alone, dict(shown_by), group=False)[0]


@functools.cache
def two_ranks(shown_by: tuple, sharded: bool, resume: bool):
    """All bugs of one setting, and the right trainer."""
    names = [n for n in BUGS if setting(n) == (shown_by, sharded, resume)]
    with tempfile.TemporaryDirectory() as out:
        how = (dict(shown_by), sharded, resume, out)
        return run(2, with_ranks, (*names, RIGHT), *how)[0]


def harm(name: str) -> tuple[float, float, float]:
    """Distance to the weights of one process over the way that those have gone, of the
    bug and of the right trainer, and bytes of the bug over those of the right one.
    """
    found = two_ranks(*setting(name))
    start, expected = one_process(setting(name)[0])
    (bug, sent), (right, needed) = found[name], found[RIGHT]
    scale = (expected - start).norm()
    return (
        ((bug - expected).norm() / scale).item(),
        ((right - expected).norm() / scale).item(),
        sent / needed,
    )


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found_and_the_right_trainer_is_not_accused(name):
    wrong, right, bytes_ = harm(name)
    assert right < 1e-5
    if name == "no_sync around backward only":
        assert wrong < 1e-5  # the result is right, and costs twice the bytes
        assert bytes_ == pytest.approx(2)
    else:
        assert wrong > 1e-3
