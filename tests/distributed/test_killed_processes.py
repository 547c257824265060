"""What a cluster does to a run: processes die, hang, and leave half a checkpoint."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import run
from runs import run_config

from dit_lite import load, train
from dit_lite.distributed import sharded, trainer
from dit_lite.distributed.launch import LaunchError, run_ranks
from dit_lite.distributed.watch import Watch, describe
from dit_lite.files.writing import CheckpointError

HERE = Path(__file__).parent


def losses(directory: Path) -> list[tuple]:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [(x["step"], x["loss"], x["grad_norm"]) for x in map(json.loads, lines)]


def uninterrupted(directory: str, parallel: str = "ddp", **changes):
    config = run_config(
        **dict(out=directory, steps=12, save_every=4, parallel=parallel) | changes
    )
    trainer.train(config, resume="auto", progress=False)


def torchrun(directory: Path, faults: str, restarts: int) -> str:
    """What victim.py says while it dies and is restarted."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node", "2", "--max-restarts", str(restarts),
        str(HERE / "victim.py"), str(directory), faults,
    ]  # fmt: skip
    path = os.pathsep.join([str(HERE), *sys.path])
    environment = {"PYTHONPATH": path, "DIT_LITE_TIMEOUT": "8", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_run_that_dies_and_hangs_ends_with_the_same_bits(tmp_path):
    """One rank is killed in a step, then all in a save, then one hangs; torchrun starts
    them again each time.
    """
    run(2, uninterrupted, str(tmp_path / "whole"))
    said = torchrun(tmp_path / "broken", "kill,save,hang", restarts=3)
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    whole, broken = (load(tmp_path / name) for name in ("whole", "broken"))
    for name, value in whole.state_dict().items():
        assert torch.equal(broken.state_dict()[name], value), name
    assert "rank 1 has not begun step 10, for which the others wait" in said
    assert "time.sleep(600)" in said


def flip_a_byte(directory: Path) -> None:
    file = next(directory.glob("*.distcp"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, capsys):
    uninterrupted(str(tmp_path))
    expected = losses(tmp_path)
    newest, before = sharded.complete(tmp_path)
    flip_a_byte(newest)
    uninterrupted(str(tmp_path))
    said = capsys.readouterr().err
    assert f"{newest} is damaged" in said
    assert losses(tmp_path) == expected
    # written again, whole
    assert sharded.intact(tmp_path) == (newest, [])
    flip_a_byte(newest)
    flip_a_byte(before)
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is intact"):
        uninterrupted(str(tmp_path))


def test_a_run_of_one_process_goes_on_with_several(tmp_path):
    config = run_config(
        out=str(tmp_path / "whole"), steps=8, save_every=0, schedule="constant"
    )
    train(config, progress=False)
    config = dataclasses.replace(config, out=str(tmp_path / "one"))
    train(dataclasses.replace(config, steps=4), progress=False)
    divided = dataclasses.replace(config, parallel="ddp")
    trainer.train(divided, resume=True, progress=False)
    for own, other in zip(
        losses(tmp_path / "one"), losses(tmp_path / "whole"), strict=True
    ):
        assert own == pytest.approx(other, rel=1e-5)


def test_muon_goes_on_where_it_was(tmp_path):
    uninterrupted(str(tmp_path), optimiser="muon")
    expected = losses(tmp_path)
    shutil.rmtree(sharded.complete(tmp_path)[0])
    uninterrupted(str(tmp_path), optimiser="muon")
    assert losses(tmp_path) == expected


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_a_disk_that_refuses_a_checkpoint_is_named(tmp_path, monkeypatch):
    def full(*args, **how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "torch.distributed.checkpoint.FileSystemWriter.write_data", full
    )
    with pytest.raises(CheckpointError, match=r"cannot write .*No space left.*; the"):
        sharded.save(tmp_path, 4, {"a.b": torch.zeros(2)}, {})


@pytest.mark.parametrize(
    ("wrote", "world", "reads"),
    [("fsdp", 2, [("ddp", 1), ("fsdp", 4), ("tp=2", 2)]), ("pp=2", 2, [("ddp", 1)])],
)
def test_any_number_of_ranks_goes_on_with_the_same_curve(tmp_path, wrote, world, reads):
    whole = tmp_path / "whole"
    run(world, uninterrupted, str(whole), wrote)
    expected = losses(whole)
    for i, (text, ranks) in enumerate(reads):
        part = tmp_path / f"part{i}"
        shutil.copytree(whole, part)
        # back to the checkpoint of step 8
        shutil.rmtree(sharded.complete(part)[0])
        run(ranks, uninterrupted, str(part), text)
        for own, other in zip(losses(part), expected, strict=True):
            assert own == pytest.approx(other, rel=1e-5)
        whole_weights = load(whole).state_dict()
        for name, value in load(part).state_dict().items():
            error = (value - whole_weights[name]).norm()
            assert error <= 1e-4 * max(1, value.norm()), name


def test_whoever_is_behind_is_named():
    found = {0: {"step": 8, "stack": "there"}, 1: {"step": 7, "stack": "here"}}
    said = describe(found, 2, 30)
    assert "rank 1 has not begun step 8" in said
    assert said.endswith("here")
    assert "rank 2 does not respond" in describe(found, 3, 30)
    assert "all ranks are in step 8" in describe({0: found[0]}, 1, 30)


def test_a_watch_waits_while_there_is_progress(capsys):
    import time

    import torch.distributed as dist

    ended = []
    with Watch(dist.HashStore(), 0, 1, 0.5, lambda: ended.append(True)) as watch:
        for i in range(6):
            watch.begin(i + 1)
            time.sleep(0.2)
        assert not ended
        time.sleep(2)
    assert ended
    said = capsys.readouterr().err
    assert "all ranks are in step 6" in said
    assert "time.sleep(2)" in said


def test_wrong_use_is_said_once_before_training(tmp_path):
    arguments = ["train", "digits", "--out", tmp_path, "--parallel", "tp=3"]
    lines: list[str] = []
    with pytest.raises(LaunchError, match="multiple of 3 processes, but there are 2"):
        run_ranks(arguments, 2, show=lines.append)
    assert sum("multiple of 3 processes" in line for line in lines) == 1
    assert not any(tmp_path.iterdir())


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        where = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
        with pytest.raises(LaunchError, match="the port is in use; omit"):
            run_ranks(["train", "digits"], 2, torchrun=where, show=None, timeout=60)
