import json
import math

import pytest
import torch

from dit_lite import train
from dit_lite.training import CheckpointError, DivergedError, Trainer
from dit_lite.training.metrics import Metrics


def told(metrics: Metrics, losses: list[float], norm: float = 1.0) -> Metrics:
    for loss in losses:
        metrics.add(torch.tensor(loss), torch.tensor(norm), 0.1)
    return metrics


def test_the_step_that_diverged_is_named():
    metrics = told(Metrics(), [1.0, 0.5])
    metrics.look(2)
    told(metrics, [0.4, math.inf, 0.3])
    with pytest.raises(DivergedError, match="loss=inf at step 4"):
        metrics.look(5)
    with pytest.raises(DivergedError, match="gradient norm=nan at step 1"):
        told(Metrics(), [0.1], math.nan).look(1)


@pytest.mark.parametrize(
    ("losses", "healthy"),
    {
        (1.5, 0.1): True,
        (1.5, 2.9): True,  # noise of a small batch
        (1.5, 3.1): False,
        # a run that began from trained weights is no worse off than an untrained one
        (0.1, 1.9): True,
        (0.1, 2.1): False,
        (5.0, 9.9): True,  # data of a large variance
        (5.0, 1e30, 4.0): True,
    }.items(),
)
def test_a_loss_worse_than_that_of_saying_nothing_is_trouble(losses, healthy):
    metrics = told(Metrics(), list(losses))
    metrics.look(len(losses))
    assert metrics.healthy == healthy


@pytest.fixture
def half(tmp_path, short):
    """A trainer after 8 of 12 steps, saved at 5."""
    trainer = Trainer(short(out=str(tmp_path / "run"), log_every=1))
    real = trainer.train_step

    def train_step():
        if trainer.step == 8:
            raise InterruptedError
        return real()

    trainer.train_step = train_step
    with pytest.raises(InterruptedError):
        trainer.run(progress=False)
    return trainer


def steps(place) -> list[int]:
    return [json.loads(x)["step"] for x in place.read_text().splitlines()]


def test_a_save_writes_the_lines_since_the_last_one_only(tmp_path, short, monkeypatch):
    """With a hundred thousand lines behind it, a save writes no more bytes than with
    none.
    """
    trainer = Trainer(short(out=str(tmp_path / "run"), log_every=1))
    metrics, path = trainer.metrics, tmp_path / "run" / "metrics.jsonl"

    def bytes_of_a_save() -> int:
        metrics.add(*trainer.train_step(), 0.1)
        metrics.look(trainer.step)
        metrics.line(trainer.step, 0, 0.0)
        before = path.stat().st_size if path.exists() else 0
        trainer.save()
        state = (tmp_path / "run" / "state.safetensors").stat().st_size
        return state + path.stat().st_size - before

    bytes_of_a_save()
    few = bytes_of_a_save()
    line = metrics.lines[-1]
    metrics.lines += [line | {"step": i} for i in range(100_000)]
    metrics.append_to(path)
    assert path.stat().st_size > 8e6
    assert bytes_of_a_save() < few + 100
    assert len(path.read_text().splitlines()) == 100_003


def test_lines_past_the_saved_step_are_cut_off(half, tmp_path, short, same_run):
    path = tmp_path / "run" / "metrics.jsonl"
    assert steps(path) == [1, 2, 3, 4, 5]
    with open(path, "a") as file:  # a save that was cut short in its last file
        file.write(json.dumps(half.metrics.lines[5]) + '\n{"step": 7, "lo')
    run = train(half.config, resume=True, progress=False)
    assert [line["step"] for line in run.metrics] == list(range(1, 13))
    assert steps(path) == list(range(1, 13))
    train(short(out=str(tmp_path / "whole"), log_every=1), progress=False)
    same_run(tmp_path / "run", tmp_path / "whole")


def test_lines_that_were_not_yet_written_are_in_the_state(half, tmp_path):
    """A save that was cut short before its last file."""
    path = tmp_path / "run" / "metrics.jsonl"
    path.unlink()
    train(half.config, resume=True, progress=False)
    assert steps(path) == list(range(1, 13))


@pytest.mark.parametrize("harm", ["missing", "shorter", "other"])
def test_metrics_of_another_run_do_not_resume(tmp_path, short, harm):
    config = short(out=str(tmp_path / "run"), log_every=1)
    train(config, progress=False)
    path = tmp_path / "run" / "metrics.jsonl"
    content = path.read_bytes()
    path.unlink()
    if harm == "shorter":
        path.write_bytes(content[:200])
    if harm == "other":
        path.write_bytes(b"x" * len(content))
    with pytest.raises(
        CheckpointError, match=r"metrics\.jsonl.*restore the file of this"
    ):
        train(config, resume=True, progress=False)
