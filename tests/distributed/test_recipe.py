"""The commands that the chapter and the batch script tell a reader to type are
commands that exist, and their arithmetic adds up.
"""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from dit_lite import TrainConfig, preset
from dit_lite.cli import build_parser
from dit_lite.distributed.recipe import slurm_script
from dit_lite.distributed.strategy import Strategy

CHAPTER = Path(__file__).parents[2] / "book/chapters/08_distributed.ipynb"


def in_the_chapter() -> list[str]:
    cells = json.loads(CHAPTER.read_text())["cells"]
    prose = "\n".join(
        "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
    )
    return re.findall(r"^torchrun .*$", prose.replace("\\\n", " "), re.M)


def in_the_script() -> str:
    line = slurm_script().replace("\\\n", " ").split("srun ")[1]
    return line[line.index("torchrun") :].replace('"$SLURM_NNODES"', "4")


def parsed(command: str):
    """torchrun's options, and those of `train`."""
    words = shlex.split(command)
    assert words[0] == "torchrun"
    options = get_args_parser().parse_args(words[1:])
    assert options.module
    assert options.training_script == "dit_lite"
    return options, build_parser().parse_args(options.training_script_args)


def machines(options) -> int:
    """torchrun's default is the elastic 1:1."""
    return int(str(options.nnodes).split(":")[0])


COMMANDS = [*in_the_chapter(), in_the_script()]


def test_there_is_one_for_a_laptop_a_machine_and_a_cluster():
    worlds = [
        machines(options) * int(options.nproc_per_node)
        for options, _ in map(parsed, COMMANDS)
    ]
    assert worlds == [2, 8, 32, 32]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_exists_and_the_layout_divides(command):
    options, run = parsed(command)
    world = machines(options) * int(options.nproc_per_node)
    assert run.command == "train"
    assert run.out
    strategy = Strategy.parse(run.parallel)
    batch = run.batch_size or TrainConfig(data="digits").batch_size
    model = preset(run.preset or "digits")
    strategy.check(model, batch, world)
    assert batch % strategy.replicas(world) == 0
    if machines(options) > 1:
        assert options.rdzv_endpoint.endswith(":29500")
        assert run.resume == "auto"
        assert batch // strategy.replicas(world) == 8, "as the chapter says"


def test_the_script_is_bash_and_asks_for_what_it_starts(tmp_path):
    script = slurm_script()
    path = tmp_path / "train.slurm"
    path.write_text(script)
    subprocess.run(["bash", "-n", path], check=True)
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", script, re.M))
    assert asked["nodes"] == "4"
    assert asked["gpus-per-node"] == "8"
    assert asked["ntasks-per-node"] == "1", "torchrun starts the rest"
    assert "--requeue" in script
