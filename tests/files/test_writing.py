import errno
import os

import pytest

from dit_lite.files.writing import CheckpointError, append, remove_parts, write


def test_a_writer_follows_no_link_that_was_laid_out_for_it(tmp_path):
    """Neither at a name that was once predictable, nor at the file's own."""
    (tmp_path / "precious").write_text("mine")
    for name in (".README.md.part", "README.md"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    write(tmp_path / "README.md", b"a card")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "README.md").read_bytes() == b"a card"
    assert not (tmp_path / "README.md").is_symlink()


def test_a_name_that_is_taken_while_writing_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda n: "known")
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".dit-lite-known.part").symlink_to(tmp_path / "precious")
    with pytest.raises(CheckpointError, match=r"cannot write .*file: File exists"):
        write(tmp_path / "file", b"new")
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize(
    ("code", "said"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "a place that is writable")],
)
def test_the_way_out_fits_what_the_disk_says(tmp_path, monkeypatch, code, said):
    def refuse(file):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(CheckpointError, match=rf"nothing was left behind; .*{said}"):
        write(tmp_path / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_a_new_file_has_the_permissions_that_the_user_chose(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_name_as_long_as_the_system_takes_can_be_written(tmp_path):
    write(tmp_path / ("x" * 255), b"one")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"one"


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    for name in (".dit-lite-0123.part", ".hidden.part", "part"):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == [".hidden.part", "part"]


def test_appending_cuts_off_what_followed(tmp_path):
    append(tmp_path / "file", b"one\n", at=0)
    append(tmp_path / "file", b"two\n", at=4)
    append(tmp_path / "file", b"and\n", at=4)
    assert (tmp_path / "file").read_bytes() == b"one\nand\n"


def test_appending_needs_what_was_before_and_follows_no_link(tmp_path):
    (tmp_path / "file").write_bytes(b"one")
    with pytest.raises(CheckpointError, match="has 3 bytes, but 4 were written"):
        append(tmp_path / "file", b"two", at=4)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"cannot write .*link"):
        append(tmp_path / "link", b"", at=0)
    assert (tmp_path / "file").read_bytes() == b"one"
