import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dit_lite.data import cifar10
from dit_lite.data.store import store, writable_cache
from dit_lite.resources import data_root


@pytest.fixture
def source(root, tmp_path) -> Path:
    (tmp_path / "source").write_text("pictures")
    return tmp_path / "source"


def pictures(n: int = 3):
    return [(np.full((1, 2, 2), i, dtype=np.uint8), 10 + i) for i in range(n)]


def never():
    raise AssertionError("decoded twice")
    yield


def test_pictures_are_decoded_once(source):
    images, labels = store("a", [source], pictures(), (3, 1, 2, 2))
    again, same_labels = store("a", [source], never(), (3, 1, 2, 2))
    assert isinstance(again, np.memmap)
    assert np.array_equal(images, again)
    assert np.array_equal(images[:, 0, 0, 0], [0, 1, 2])
    assert labels.tolist() == same_labels.tolist() == [10, 11, 12]


def test_a_changed_source_is_decoded_again(source):
    store("a", [source], pictures(), (3, 1, 2, 2))
    os.utime(source, ns=(1, 1))
    with pytest.raises(AssertionError, match="decoded twice"):
        store("a", [source], never(), (3, 1, 2, 2))


def test_a_decoding_that_fails_leaves_nothing(source, root):
    def failing():
        yield from pictures(2)
        raise ValueError("broken picture")

    with pytest.raises(ValueError, match="broken picture"):
        store("a", [source], failing(), (3, 1, 2, 2))
    assert not list((root / "decoded").iterdir())
    assert store("a", [source], pictures(), (3, 1, 2, 2))[1].tolist() == [10, 11, 12]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from dit_lite.data.store import store

def pictures():
    for i in range(3):
        if i == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield np.full((1, 2, 2), 99, dtype=np.uint8), 99

real = os.replace
def replace(*args):
    replace.calls += 1
    if replace.calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(*args)
replace.calls = 0
os.replace = replace
store("a", [Path(sys.argv[1])], pictures(), (3, 1, 2, 2))
"""


@pytest.mark.process
@pytest.mark.parametrize(("picture", "rename"), [(2, 0), (-1, 1), (-1, 2)])
def test_a_decoding_that_is_killed_is_not_mistaken_for_a_whole_one(
    source, picture, rename
):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(source), str(picture), str(rename)],
        capture_output=True,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    images, labels = store("a", [source], pictures(), (3, 1, 2, 2))
    assert np.array_equal(images[:, 0, 0, 0], [0, 1, 2])
    assert labels.tolist() == [10, 11, 12]


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
