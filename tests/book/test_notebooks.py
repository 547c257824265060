import ast
import json
import re
import subprocess
import sys

import pytest
import yaml
from site_build import ROOT  # puts book/_ext on the path

from notebooks import FOLDED, install_cell, tidy  # isort: skip

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


def test_an_output_is_noticed():
    dirty = json.loads(CHAPTERS[0].read_text())
    dirty["cells"][1]["outputs"], dirty["cells"][1]["execution_count"] = (
        [{"output_type": "stream"}],
        3,
    )
    assert tidy(dirty) == json.loads(CHAPTERS[0].read_text())


def test_nothing_is_installed_from_an_address_that_nobody_set(chapter):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    first = code(chapter)[0]
    assert first == install_cell(url)
    assert ("git+" in first) == ("pip install -q" in first) == bool(url)
    assert "torch" not in first, "Colab's torch must not be replaced"
    # all that is seen of a folded cell
    assert first.startswith("# Run all cells")


def test_the_install_cell_follows_the_address():
    unset, owned = install_cell(""), install_cell("https://github.com/me/mine")
    assert '"dit-lite[notebook] @ git+https://github.com/me/mine"' in owned
    assert "http" not in unset
    with pytest.raises(ImportError, match=r"repository\.url in _config\.yml"):
        exec(unset.replace("import dit_lite", "import no_such_package"))


def hidden(cell: dict) -> bool:
    """Whether a page folds a cell's code, or leaves it out."""
    return bool(FOLDED & set(cell["metadata"].get("tags", [])))


def test_what_a_page_folds_is_folded_in_jupyterlab_and_in_colab(chapter):
    for cell in chapter["cells"]:
        tags = set(cell["metadata"].get("tags", []))
        assert tags <= {
            "install", "hide-input", "remove-input", "remove-cell", "exercise",
            "skip-execution", "solution",
        }, "no tag that JupyterLab and Colab would not follow"  # fmt: skip
        if hidden(cell):
            assert cell["metadata"]["jupyter"] == {"source_hidden": True}
            assert cell["metadata"]["cellView"] == "form"
        else:
            assert "jupyter" not in cell["metadata"]


def test_folding_is_written_by_the_formatter():
    cell = {"cell_type": "code", "source": "1", "metadata": {"tags": ["hide-input"]}}
    (tidied,) = tidy({"cells": [cell]})["cells"]
    assert tidied["metadata"]["jupyter"] == {"source_hidden": True}
    cell["metadata"] = {"tags": ["exercise"], "jupyter": {"source_hidden": True}}
    (tidied,) = tidy({"cells": [cell]})["cells"]
    assert tidied["metadata"] == {"tags": ["exercise"]}


def test_a_deeper_box_is_closed_in_jupyterlab_and_in_colab():
    def markdown(name, source):
        cell = {"cell_type": "markdown", "id": name, "metadata": {}}
        return cell | {"source": [source]}

    told = markdown("b", "### Deeper: why the gap\n\nBecause.")
    plain, deeper = tidy({"cells": [markdown("a", "### A gap"), told]})["cells"]
    assert plain["metadata"] == {}
    assert deeper["metadata"] == {"jp-MarkdownHeadingCollapsed": True}
    assert tidy({"cells": [told]})["metadata"]["colab"] == {"collapsed_sections": ["b"]}


def shows_nothing(source: str) -> bool:
    """Whether a cell ends without an expression, and prints nothing."""
    tree = ast.parse(re.sub(r"^\s*%.*$", "    pass", source, flags=re.M))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    prints = any(getattr(call.func, "id", "") == "print" for call in calls)
    return not prints and not isinstance(tree.body[-1], ast.Expr)


def test_every_cell_shows_something_and_no_toggle_stands_alone(chapter):
    for cell in chapter["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and "install" not in tags:
            source = "".join(cell["source"])
            assert not shows_nothing(source), source[:200]


def test_no_toggle_stands_above_the_text(chapter):
    """Below the title a page shows what the chapter costs, and then its question."""
    kinds = [cell["cell_type"] for cell in chapter["cells"][:4]]
    assert kinds == ["markdown", "code", "code", "markdown"]
    assert "hide-input" not in {
        tag for cell in chapter["cells"][:4] for tag in cell["metadata"].get("tags", [])
    }


def test_a_line_of_code_fits_the_column(chapter):
    for source in code(chapter, "install"):
        assert max(map(len, source.splitlines())) <= 88, source[:200]


def test_a_code_cell_fits_on_a_screen(chapter):
    for cell in chapter["cells"]:
        if cell["cell_type"] == "code":
            lines = len("".join(cell["source"]).splitlines())
            assert lines <= (30 if hidden(cell) else 25), cell["id"]


def test_tables_filters_and_progress_are_calls_of_the_package(chapter):
    for source in code(chapter):
        assert "|---" not in source, "a table is one call of widgets.table"
        assert not re.search(r'\.values\["rows"\]', source), "rows are selected"
        assert "tqdm" not in source


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
    assert "show_source(" in source
    assert len(re.findall(r"\bpredict\(|\bchoose\(", source)) >= 4
    assert len(re.findall(r"^figure\(|^image_grid\(", source, re.M)) <= 10
    assert len(re.findall(r"^solution\(", source, re.M)) >= 5


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
