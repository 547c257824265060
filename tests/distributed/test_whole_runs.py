"""What a user calls, from the first step to the last: `train` and `evaluate` on several
processes give what one process gives.
"""

import json
import tempfile
from pathlib import Path

import pytest
import torch
from processes import run

import dit_lite
from dit_lite import TrainConfig
from dit_lite.cli import main
from dit_lite.distributed import trainer
from dit_lite.distributed.launch import run_ranks

SMALL = dict(width=32, depth=2, heads=4)
STEPS = 4  # one step less ends 2 % away, two hundred times what the test allows
WAYS = ("ddp", "fsdp", "tp=2", "sp=2", "pp=2")


def finished(text: str | None, directory: str) -> torch.Tensor:
    """The averaged weights that a run leaves in its directory, as one vector."""
    config = TrainConfig(
        data="digits", steps=STEPS, batch_size=16, warmup=1, changes=SMALL,
        parallel=text, out=directory, seed=3,
    )  # fmt: skip
    train = trainer.train if text else dit_lite.train
    train(config, progress=False)
    model = dit_lite.load(directory)
    return torch.nn.utils.parameters_to_vector(model.parameters())


def all_ways(out: str) -> dict[str, torch.Tensor]:
    return {way: finished(way, f"{out}/{way}") for way in WAYS}


@pytest.fixture(scope="module")
def weights():
    with tempfile.TemporaryDirectory() as out:
        yield finished(None, f"{out}/alone"), run(2, all_ways, out)


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_run_ends_where_one_process_ends(weights, way):
    alone, ranks = weights
    for rank in ranks:
        assert (rank[way] - alone).norm() < 1e-4 * alone.norm()


def test_torchrun_evaluate_gives_the_report_of_one_process(tmp_path: Path, capsys):
    arguments = [
        "evaluate", "--checkpoint", "digits", "--samples", "40", "--steps", "2",
        "--scores", "kernel", "--repeats", "100", "--seed", "1",
    ]  # fmt: skip
    assert main([*arguments, "--out", str(tmp_path / "alone.json")]) == 0
    out = tmp_path / "two.json"
    run_ranks([*arguments, "--out", str(out)], 2, show=None, timeout=120)
    capsys.readouterr()
    reports = [json.loads((tmp_path / name).read_text())
               for name in ("alone.json", "two.json")]  # fmt: skip
    assert reports[0]["rows"] == reports[1]["rows"]
