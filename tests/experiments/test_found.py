"""An experiment is found through its file: adding one changes nothing else."""

from pathlib import Path

import dit_lite.experiments
from dit_lite.lab import all_experiments

FILES = sorted(Path(dit_lite.experiments.__file__).parent.glob("*/[a-z]*.py"))


def test_every_experiment_file_is_found_under_its_own_name():
    found = {
        name: Path(one.run.__code__.co_filename).resolve()
        for name, one in all_experiments().items()
        if one.run.__module__.startswith("dit_lite.")
    }
    assert found == {file.stem: file.resolve() for file in FILES}


def test_every_folder_of_results_is_of_an_experiment():
    results = Path(__file__).parents[2] / "data/results"
    assert {p.name for p in results.iterdir() if p.is_dir()} <= all_experiments().keys()
