import errno
import hashlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from decodings import killed, on_a_full_disk, together
from forked import forked
from PIL import Image

from dit_lite.data import DataError, cifar10, folder
from dit_lite.data.pictures import DECODER
from dit_lite.data.store import store, writable_cache
from dit_lite.files.environment import data_root


@pytest.fixture
def source(root, tmp_path) -> Path:
    (tmp_path / "source").write_text("pictures")
    return tmp_path / "source"


SHAPE = (3, 1, 2, 2)


def pictures(n: int = 3):
    return [np.full((1, 2, 2), i, dtype=np.uint8) for i in range(n)]


def never():
    raise AssertionError("decoded twice")
    yield


def first_pixels(images) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def remains(root) -> list[str]:
    return [file.name for file in (root / "decoded").iterdir() if file.is_file()]


@pytest.fixture
def rested(monkeypatch):
    """Files are old enough for their times to say whether they changed."""
    monkeypatch.setattr("dit_lite.data.unchanged.TICK", -1000.0)


def test_pictures_are_decoded_once(source):
    images = store("a", [source], pictures(), SHAPE)
    again = store("a", [source], never(), SHAPE)
    assert isinstance(again, np.memmap)
    assert np.array_equal(images, again)
    assert first_pixels(images) == [0, 1, 2]


def test_other_content_of_the_same_size_and_time_is_decoded_again(source):
    status = source.stat()
    store("a", [source], pictures(), SHAPE)
    source.write_text("PICTURES")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.stat().st_size == status.st_size
    with pytest.raises(AssertionError, match="decoded twice"):
        store("a", [source], never(), SHAPE)


def test_the_same_content_at_another_time_is_not_decoded_again(source):
    store("a", [source], pictures(), SHAPE)
    os.utime(source, ns=(1, 1))
    assert first_pixels(store("a", [source], never(), SHAPE)) == [0, 1, 2]


def test_files_that_rested_are_not_read_again(source, rested, monkeypatch):
    store("a", [source], pictures(), SHAPE)
    opened = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        "hashlib.file_digest",
        lambda file, kind: opened.append(file) or digest(file, kind),
    )
    store("a", [source], never(), SHAPE)
    assert not opened
    source.write_text("PICTURES")
    store("a", [source], pictures(), SHAPE)
    assert len(opened) == 1


def test_two_projects_share_no_pixels(root, tmp_path, monkeypatch):
    """Each has pictures/a/1.bmp of the same size and time, seen from its own folder."""
    found = []
    for name, value in (("one", 10), ("two", 200)):
        at = tmp_path / name / "pictures" / "a" / "1.bmp"
        at.parent.mkdir(parents=True)
        Image.new("RGB", (4, 4), (value,) * 3).save(at)
        os.utime(at, (1, 1))
        monkeypatch.chdir(tmp_path / name)
        found.append(int(folder("pictures", 4).images[0, 0, 0, 0]))
    assert found == [10, 200]


@pytest.mark.parametrize("change", ["decoder", "shape", "order"])
def test_the_key_knows_the_decoder_the_shape_and_the_order(
    source, tmp_path, monkeypatch, change
):
    (tmp_path / "other").write_text("more")
    sources, shape = [source, tmp_path / "other"], SHAPE
    store("a", sources, pictures(), shape)
    if change == "decoder":
        monkeypatch.setattr("dit_lite.data.store.DECODER", DECODER + 1)
    elif change == "shape":
        shape = (3, 1, 4, 4)
    else:
        sources = sources[::-1]
    with pytest.raises(AssertionError, match="decoded twice"):
        store("a", sources, never(), shape)


def test_a_decoding_that_fails_leaves_nothing(source, root):
    def failing():
        yield from pictures(2)
        raise ValueError("broken picture")

    with pytest.raises(ValueError, match="broken picture"):
        store("a", [source], failing(), SHAPE)
    assert not remains(root)
    assert first_pixels(store("a", [source], pictures(), SHAPE)) == [0, 1, 2]


def test_a_source_that_changes_on_the_way_is_refused(source, root):
    def changing():
        source.write_text("something else")
        yield from pictures()

    with pytest.raises(DataError, match="changed while they were read"):
        store("a", [source], changing(), SHAPE)
    assert first_pixels(store("a", [source], pictures(), SHAPE)) == [0, 1, 2]


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_pictures_is_refused(source, root, count):
    with pytest.raises(DataError, match=f"{count} pictures were read, but 3"):
        store("a", [source], pictures(count), SHAPE)
    assert not remains(root)


@pytest.mark.process
@pytest.mark.parametrize(
    ("picture", "rename"), [(0, "none"), (2, "none"), (-1, ".npy"), (-1, ".json")]
)
@pytest.mark.parametrize("same", [True, False])
def test_a_decoding_that_is_killed_leaves_nothing_and_is_not_taken_for_a_whole_one(
    source, root, picture, rename, same, tmp_path
):
    job = forked(killed, source, picture, rename)
    job.join()
    assert job.exitcode == -signal.SIGKILL
    if rename == ".npy":
        assert any(name.endswith(".part") for name in remains(root))
    if not same:
        (tmp_path / "other").write_text("other pictures")
        source = tmp_path / "other"
    images = store("a", [source], pictures(), SHAPE)
    assert first_pixels(images) == [0, 1, 2]
    assert not any(name.endswith(".part") for name in remains(root))


@pytest.mark.process
@pytest.mark.parametrize("locks", [True, False])
def test_processes_of_the_same_number_decode_side_by_side(source, tmp_path, locks):
    """Once, where the disk has locks; each for itself, where it has none."""
    jobs = [forked(together, source, tmp_path / "count", locks) for _ in range(3)]
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    decoded = (tmp_path / "count").stat().st_size
    assert decoded == 200 if locks else decoded >= 200


@pytest.mark.process
@pytest.mark.parametrize("reserved", [True, False])
def test_a_full_disk_is_an_error_and_leaves_nothing(source, root, reserved, tmp_path):
    job = forked(on_a_full_disk, source, reserved, tmp_path / "said")
    job.join()
    assert job.exitcode == 0
    said = (tmp_path / "said").read_text()
    for words in (
        f"cannot keep the decoded images in {root / 'decoded'} (File too large)",
        "they need 2.5 MB, but",
        "free some space, choose a smaller image_size, or set DIT_LITE_DATA",
    ):
        assert words in said
    assert not remains(root)


def test_the_room_is_taken_before_the_first_picture(source, monkeypatch, capsys):
    def full(handle, start, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(DataError, match="No space left on device"):
        store("a", [source], never(), SHAPE)
    assert not capsys.readouterr().err, "no bar stands before the error"


def truncated(file):
    os.truncate(file, file.stat().st_size - 1)


def flipped(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def flipped_and_dated_back(file):
    before = file.stat()
    flipped(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def emptied(file):
    file.write_bytes(b"")


def pickled(file):
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)


def of_another_shape(file):
    np.save(file, np.zeros((1, 1, 2, 2), np.uint8))


@pytest.mark.parametrize(
    "damage",
    [truncated, flipped, flipped_and_dated_back, emptied, pickled, of_another_shape],
)
def test_a_damaged_array_is_named_and_made_again(source, root, rested, damage):
    store("a", [source], pictures(), SHAPE)
    store("a", [source], never(), SHAPE)
    (file,) = (root / "decoded").glob("*.npy")
    damage(file)
    with pytest.warns(UserWarning, match=rf"{file} are damaged \(.*made again"):
        images = store("a", [source], pictures(), SHAPE)
    assert first_pixels(images) == [0, 1, 2]
    assert first_pixels(store("a", [source], never(), SHAPE)) == [0, 1, 2]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"fingerprint": 1}', "\0"])
def test_a_damaged_description_of_an_array_is_no_harm(source, root, content):
    store("a", [source], pictures(), SHAPE)
    (file,) = (root / "decoded").glob("*.json")
    file.write_text(content)
    with pytest.warns(UserWarning, match="are damaged"):
        images = store("a", [source], pictures(), SHAPE)
    assert first_pixels(images) == [0, 1, 2]


def test_a_root_that_cannot_be_written_falls_back_to_the_cache_of_the_user(
    root, tmp_path, pixels, write_parquet
):
    write_parquet(root / "cifar10" / "train-0.parquet", pixels(2, 32), [0, 1], "img")
    (root / "decoded").write_text("a file where the folder should be")
    assert writable_cache() == tmp_path / "home" / ".cache" / "dit_lite" / "decoded"
    assert np.array_equal(cifar10().images, pixels(2, 32))
    assert list(
        (tmp_path / "home" / ".cache" / "dit_lite" / "decoded").glob(
            "cifar10-train-*.npy"
        )
    )


def test_a_root_below_a_file_falls_back_too(monkeypatch, root, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "file" / "root"))
    assert writable_cache() == tmp_path / "home" / ".cache" / "dit_lite" / "decoded"


def test_the_environment_names_the_data_root(monkeypatch, root, tmp_path):
    assert data_root() == root
    monkeypatch.setenv("DIT_LITE_DATA", "~/sets")
    assert data_root() == tmp_path / "home" / "sets"
    monkeypatch.delenv("DIT_LITE_DATA")
    assert data_root().parts[-2:] == ("data", "cache")


def test_decoded_images_have_the_rights_that_the_user_gives_to_files(source, root):
    before = os.umask(0o027)
    try:
        store("a", [source], pictures(), SHAPE)
    finally:
        os.umask(before)
    for file in (root / "decoded").glob("a-*"):
        assert oct(file.stat().st_mode & 0o777) == oct(0o640)
