"""Where a number comes from is always said, and a stale one is labelled wherever a
chapter shows it.
"""

import json
import re
import subprocess
from itertools import pairwise

import pytest

from dit_lite.files.environment import resource
from dit_lite.lab import (
    EXPERIMENTS,
    Experiment,
    Result,
    ResultError,
    chapter_cost,
    load_result,
    provenance,
    results,
    run_experiment,
)

CHAPTERS = sorted(resource("book/chapters").glob("*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_result_that_a_chapter_loads_is_shown_with_its_source_line(chapter):
    cells = json.loads(chapter.read_text())["cells"]
    code = "\n".join(
        "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"
    )
    pieces = re.split(r"\bload_result\(", code)
    for before, piece in pairwise(pieces):
        name = re.search(r"(\w+) = $", before)
        assert name, f"give the result a name: load_result({piece[:40]}"
        assert re.search(rf"\{{{name[1]}\}}|str\({name[1]}\)", piece), (
            f"no source line, as in *{{{name[1]}}}*, after load_result({piece[:40]}"
        )
    assert "read_result" not in code, (
        "read_result knows no settings, so it cannot say that a result is stale"
    )


def test_a_stale_cost_of_a_chapter_is_labelled(squares):
    rows = {"01": dict(read_minutes=3, cpu_seconds=4.0)}
    EXPERIMENTS["chapter_costs"] = Experiment(
        "chapter_costs", "?", lambda parts, n: {"rows": rows}, dict(cpu=dict(n=1))
    )
    run_experiment("chapter_costs", "cpu")
    assert "STALE" not in chapter_cost("01")
    EXPERIMENTS["chapter_costs"].settings["cpu"]["n"] = 2
    assert "STALE" in chapter_cost("01")


def test_a_result_that_does_not_say_where_it_comes_from_is_refused(squares, checkout):
    squares("toy", 1)
    run_experiment("toy", "cpu")
    path = checkout / "data/results/toy/cpu.json"
    content = json.loads(path.read_text())
    del content["provenance"]["commit"]
    path.write_text(json.dumps(content))
    with pytest.raises(
        ResultError,
        match=r"provenance lacks commit; record it again: .* run toy --budget cpu",
    ):
        load_result("toy")


def test_a_result_at_smoke_is_neither_written_nor_read_under_another_name(
    squares, checkout
):
    squares("toy", 1)
    with pytest.raises(ValueError, match="choose one of: cpu, gpu"):
        results.save_result(Result("toy", "smoke", {}, {}, {}))
    run_experiment("toy", "cpu")
    path = checkout / "data/results/toy/cpu.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"budget": "smoke"}))
    with pytest.raises(ResultError, match="holds the result of 'toy' at 'smoke'"):
        load_result("toy")


def test_the_commit_is_gits_or_given_or_the_version(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "resource", lambda name: tmp_path / name)
    monkeypatch.delenv("DIT_LITE_COMMIT", raising=False)
    assert provenance.commit().startswith("version ")
    monkeypatch.setenv("DIT_LITE_COMMIT", "a" * 40)
    assert provenance.commit() == "a" * 40
    monkeypatch.setenv("DIT_LITE_COMMIT", "main")
    with pytest.raises(
        ValueError,
        match="DIT_LITE_COMMIT='main' is not a commit; set it to what `git rev-parse "
        "HEAD` prints",
    ):
        provenance.commit()
    for words in (
        ["init"],
        [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "commit",
            "--allow-empty",
            "-m",
            "first",
        ],
    ):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)
    assert re.fullmatch("[0-9a-f]{40}", provenance.commit())
