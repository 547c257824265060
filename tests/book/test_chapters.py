"""Everything that lists the chapters agrees with book/chapters.yml."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location(
    "chapters", ROOT / "book/_ext/chapters.py"
)
chapters = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(chapters)


def test_tables_and_toc_are_those_of_the_list(capsys):
    assert chapters.main(check=True) == 0, capsys.readouterr().out


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The files that are written, the pages by name, and the package's rooms."""
    for name in ("README.md", "_toc.yml", "book/index.md", "book/chapters.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for page in (*ROOT.glob("book/**/*.md"), *ROOT.glob("book/chapters/*.ipynb")):
        if "_build" in page.parts:  # a book that was built here
            continue
        there = tmp_path / page.relative_to(ROOT)
        there.parent.mkdir(exist_ok=True)
        if not there.exists():
            there.touch()
    (tmp_path / "dit_lite").symlink_to(ROOT / "dit_lite")
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    return tmp_path


def test_a_new_chapter_is_its_file_and_an_entry(copy):
    (copy / "book/chapters/13_more.ipynb").touch()
    with pytest.raises(ValueError, match=r"13_more.ipynb has no entry"):
        chapters.main(check=False)
    listed = copy / "book/chapters.yml"
    listed.write_text(
        listed.read_text().replace(
            "planned:",
            "  - file: chapters/13_more\n    title: More\n    you_will: fit a law"
            "\n    rooms: [analysis]\nplanned:",
        )
    )
    assert chapters.main(check=True) == 3
    assert chapters.main(check=False) == 3
    assert chapters.main(check=True) == 0
    for name in ("README.md", "book/index.md", "_toc.yml"):
        assert "13_more" in (copy / name).read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "chapters/02_patching",
            "chapters/02_cutting",
            "no page 'chapters/02_cutting'",
        ),
        (
            "model/block.py",
            "model/brick.py",
            "there is no room dit_lite/model/brick.py",
        ),
        (
            "    you_will: train a first",
            "    you_may: train a first",
            "has no you_will",
        ),
        ("  - attention", "  - scaling", "take 'scaling' out of `planned`"),
    ],
)
def test_a_page_or_a_room_that_is_not_there_is_named(copy, old, new, message):
    listed = copy / "book/chapters.yml"
    listed.write_text(listed.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        chapters.main(check=True)
