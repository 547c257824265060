"""Whatever happens to a run, what it leaves can be continued, and ends bit for bit
where the undisturbed run ends.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dit_lite import load, train

SAVES = {  # the number of the file, in the order in which a save writes them
    **{f"rename-{n}": (n - 1) // 3 * 4 + (n - 1) % 3 + 1 for n in range(1, 10)},
    **{f"write-{n}": n for n in range(1, 13)},
}

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, short) -> Path:
    place = tmp_path_factory.mktemp("undisturbed") / "run"
    train(short(out=str(place)), progress=False)
    return place


@pytest.fixture(scope="module")
def harmed(tmp_path_factory, short) -> tuple[Path, dict[str, str], dict[str, str]]:
    """A directory for every harm, how its run ended, and whether a model can be
    loaded from what it left.
    """
    place = tmp_path_factory.mktemp("harmed")
    (place / "config.json").write_text(json.dumps(short().to_dict()))
    subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("victim.py"),
            place,
            place / "config.json",
        ],
        check=True,
    )
    endings = json.loads((place / "outcomes.json").read_text())
    return place, endings, {name: loads(place / name / "run") for name in endings}


def loads(place: Path) -> str:
    try:
        load(place)
    except FileNotFoundError:
        return "none"
    return "a model"


def finish(config, place: Path) -> None:
    """What its owner would do with the directory of a harmed run: resume it, or
    start again where nothing was saved.
    """
    train(
        replace(config, out=str(place)),
        resume=(place / "state.safetensors").exists(),
        progress=False,
    )


@pytest.mark.parametrize("name", SAVES)
def test_a_run_killed_while_saving_continues_bit_for_bit(
    name, harmed, undisturbed, short, same_run
):
    place, endings, _ = harmed
    assert endings[name] == "SIGKILL"
    first = name in ("rename-1", "write-1")
    assert (place / name / "run" / "state.safetensors").exists() != first
    finish(short(), place / name / "run")
    same_run(place / name / "run", undisturbed)


@pytest.mark.parametrize("name", SAVES)
def test_a_run_killed_while_saving_holds_a_whole_model_or_none(name, harmed):
    first_three_files = SAVES[name] <= 3  # state, weights, configuration
    assert harmed[2][name] == ("none" if first_three_files else "a model")


@pytest.mark.parametrize("name", ["ctrl-c", "sigterm", "hang-up"])
def test_an_interrupted_run_saves_and_continues_bit_for_bit(
    name, harmed, undisturbed, short, same_run
):
    place, endings, _ = harmed
    assert (
        "Interrupted: stopped after step 7 of 12: saved at step 7; continue with "
        "--resume"
    ) in endings[name]
    finish(short(), place / name / "run")
    same_run(place / name / "run", undisturbed)


def test_a_full_disk_is_said_and_keeps_the_last_checkpoint(
    harmed, undisturbed, short, same_run
):
    place, endings, _ = harmed
    run = place / "full-disk" / "run"
    assert "CheckpointError: cannot write" in endings["full-disk"]
    assert "File too large" in endings["full-disk"]
    assert "the file written before is untouched" in endings["full-disk"]
    assert not list(run.glob(".*.part"))
    assert harmed[2]["full-disk"] == "a model"
    finish(short(), run)
    same_run(run, undisturbed)


def test_a_disk_that_is_full_from_the_start_leaves_nothing_behind(harmed):
    place, endings, _ = harmed
    assert "CheckpointError: cannot write" in endings["full-from-the-start"]
    assert "nothing was left behind" in endings["full-from-the-start"]
    assert not list((place / "full-from-the-start" / "run").iterdir())
