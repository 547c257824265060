import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return json.loads(request.param.read_text())


def code(chapter: dict, *without: str) -> list[str]:
    """Sources of the code cells that carry none of the tags `without`."""
    cells = [
        c
        for c in chapter["cells"]
        if c["cell_type"] == "code"
        and not set(without) & set(c["metadata"].get("tags", []))
    ]
    return ["".join(c["source"]) for c in cells]


def test_notebooks_are_stored_in_their_one_form():
    done = subprocess.run(
        [sys.executable, str(ROOT / "book/_ext/notebooks.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_an_output_is_noticed(tmp_path):
    sys.path.insert(0, str(ROOT / "book/_ext"))
    try:
        from notebooks import tidy
    finally:
        sys.path.pop(0)
    dirty = json.loads(CHAPTERS[0].read_text())
    dirty["cells"][1]["outputs"], dirty["cells"][1]["execution_count"] = (
        [{"output_type": "stream"}],
        3,
    )
    assert tidy(dirty) == json.loads(CHAPTERS[0].read_text())


def test_the_first_cell_installs_from_the_address_in_the_configuration(chapter):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert f"git+{url}" in code(chapter)[0]
    assert "torch" not in code(chapter)[0], "Colab's torch must not be replaced"


def test_a_code_cell_fits_on_a_screen(chapter):
    assert max(len(source.splitlines()) for source in code(chapter)) <= 25


def test_the_anatomy_of_a_chapter_is_complete(chapter):
    prose = "\n".join(
        "".join(c["source"]) for c in chapter["cells"] if c["cell_type"] == "markdown"
    )
    source = "\n".join(code(chapter))
    assert "Markdown(chapter_cost(" in source
    for heading in (
        "## The idea in one picture",
        "## Theory against measurement",
        "## Exercises",
        "## What to remember",
    ):
        assert heading in prose, heading
    assert "After this chapter you can" in prose
    assert "{literalinclude}" in prose
    assert len(re.findall(r"\bpredict\(|\bchoose\(", source)) >= 4
    assert len(re.findall(r"^figure\(|^image_grid\(", source, re.M)) <= 10
    assert source.count("# Solution") >= 5


def test_every_included_object_exists(chapter):
    prose = "\n".join(
        "".join(c["source"]) for c in chapter["cells"] if c["cell_type"] == "markdown"
    )
    for path, name in re.findall(r"\{literalinclude\} (\S+)\n:pyobject: (\S+)", prose):
        tree = ast.parse((ROOT / "book/chapters" / path).read_text())
        names = {
            n.name
            for n in ast.walk(tree)
            if isinstance(n, (ast.ClassDef, ast.FunctionDef))
        }
        assert set(name.split(".")) <= names, f"{name} in {path}"


def test_every_figure_states_its_finding(chapter):
    for source in code(chapter):
        for call in ast.walk(
            ast.parse(re.sub(r"^\s*%.*$", "    pass", source, flags=re.M))
        ):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in (
                "figure",
                "image_grid",
            ):
                given = call.args[1:2] + [
                    k.value for k in call.keywords if k.arg == "alt"
                ]
                assert given, f"no alt text: {ast.unparse(call)[:80]}"
