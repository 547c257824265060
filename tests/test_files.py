import os

import pytest
import torch
from safetensors.torch import save_file

from dit_lite.files import (
    CheckpointError,
    append,
    read_notes,
    read_shapes,
    read_tensors,
    remove_parts,
    write,
    write_tensors,
)


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
    with pytest.raises(CheckpointError, match="has 3 bytes, and 4 were written"):
        append(tmp_path / "file", b"two", at=4)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"cannot write .*link"):
        append(tmp_path / "link", b"", at=0)
    assert (tmp_path / "file").read_bytes() == b"one"


@pytest.fixture
def tensors(tmp_path):
    found = {
        "a": torch.arange(24.0).reshape(4, 6),
        "b": torch.tensor(3),
        "c": torch.zeros(0, 2, dtype=torch.bfloat16),
    }
    write_tensors(tmp_path / "file", found, {"note": "ü"})
    return found


def test_any_flipped_bit_is_found(tensors, tmp_path):
    """Whichever it is, in the header or in a tensor."""
    content = (tmp_path / "file").read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "file").write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"is damaged|is truncated or not a"):
            read_tensors(tmp_path / "file", signed=True)
    (tmp_path / "file").write_bytes(content)
    read_tensors(tmp_path / "file", signed=True)


def test_tensors_without_a_checksum_are_read_unless_one_is_needed(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "file", metadata={"format": "pt"})
    assert read_tensors(tmp_path / "file")[0]["a"].tolist() == [0, 0]
    with pytest.raises(CheckpointError, match="is damaged: its checksum"):
        read_tensors(tmp_path / "file", signed=True)


def test_shapes_and_notes_are_read_without_the_tensors(tensors, tmp_path):
    assert read_shapes(tmp_path / "file") == {"a": (4, 6), "b": (), "c": (0, 2)}
    assert read_notes(tmp_path / "file")["note"] == "ü"
    for read in (read_shapes, read_notes, read_tensors):
        with pytest.raises(FileNotFoundError, match="nowhere is missing"):
            read(tmp_path / "nowhere")
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(CheckpointError, match="not a safetensors file"):
            read(tmp_path / "folder")
