import pytest
import torch
from safetensors.torch import save_file

from dit_lite.files.tensors import read_notes, read_shapes, read_tensors, write_tensors
from dit_lite.files.writing import CheckpointError


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
