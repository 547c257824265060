"""However a command fails, it says so in one line."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dit_lite
from dit_lite.cli import main
from dit_lite.cli.grid import FORMATS, check_grid, write_grid
from dit_lite.cli.outcome import outcome
from dit_lite.files.system_errors import in_one_line
from dit_lite.training import DivergedError


def end(error: BaseException, capsys) -> tuple[int, str]:
    """Status and line of a command that raises `error`."""

    def run():
        raise error

    status = outcome(run, "sample")
    said = capsys.readouterr().err
    assert said.startswith("dit_lite sample: ")
    assert len(said.splitlines()) == 1
    return status, said


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            PermissionError(13, "Permission denied", "/x"),
            2,
            "/x: Permission denied; change",
        ),
        (
            IsADirectoryError(21, "Is a directory", "/x"),
            2,
            "/x: Is a directory; name a f",
        ),
        (OSError(36, "File name too long", "y" * 999), 2, "too long; choose a shorter"),
        (
            OSError(28, "No space left on device"),
            2,
            "No space left on device; free some space",
        ),
        (OSError("odd"), 2, "odd"),
        (FileNotFoundError("no model 'x'"), 2, "no model 'x'"),
        (ValueError("a\nb"), 2, "a b"),
        (TypeError("t"), 2, "t"),
        (DivergedError("d"), 1, "d"),
        (MemoryError(), 1, "out of memory; ask for less"),
        (
            torch.OutOfMemoryError("CUDA\nmore"),
            1,
            "GPU is out of memory (CUDA); ask for less",
        ),
        (ImportError("needs pyarrow"), 1, "needs pyarrow; install it with pip"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_every_end_is_one_line(capsys, error, status, said):
    found, line = end(error, capsys)
    assert found == status
    assert said in line
    assert len(line) < 300


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("x"), AttributeError("x")]
)
def test_a_mistake_of_the_package_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        outcome(lambda: (_ for _ in ()).throw(error), "sample")


def test_a_remark_is_a_line_that_a_command_says_once(capsys):
    def run():
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.warn("2 of\nother kinds", stacklevel=1)

    assert outcome(run, "train") == 0
    assert capsys.readouterr().err == "note: 2 of other kinds\n"


@pytest.mark.parametrize("code", [*errno.errorcode, None])
def test_what_the_system_says_has_a_way_out(code):
    error = OSError() if code is None else OSError(code, os.strerror(code), "\udcff\n")
    line = in_one_line(error)
    assert ";" in line
    line.encode()


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "--checkpoint", "x" * 300),
        ("sample", "--checkpoint", "~nobody/x"),
        ("sample", "--checkpoint", "folder"),
        ("sample", "--checkpoint", "file"),
        ("sample", "--checkpoint", "file/below"),
        (
            "sample",
            "--checkpoint",
            "digits",
            "--steps",
            "1",
            "--out",
            "x" * 300 + ".png",
        ),
        ("sample", "--checkpoint", "digits", "--steps", "1", "--out", "file/x.png"),
        ("sample", "--checkpoint", "digits", "--out", "folder"),
        ("sample", "--checkpoint", "digits", "--out", "x.svg"),
        ("sample", "--checkpoint", "digits", "--out", "x"),
        ("sample", "--checkpoint", "digits", "--count", "1000000000"),
        ("train", "x" * 300),
        ("train", "file"),
        ("evaluate", "--checkpoint", "x" * 300),
        ("evaluate", "--checkpoint", "digits", "--samples", str(10**15)),
        ("card", "--checkpoint", "x" * 300),
        ("data", "prepare", "x" * 300),
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_wrong_paths_and_counts_are_one_line(tmp_path, monkeypatch, words, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "config.json").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert main(list(words)) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    assert len(said) < 700


@pytest.mark.parametrize(
    ("words", "data", "status"),
    [
        (["data"], None, 2),
        (["data"], "~/x", 2),
        (["sample", "--checkpoint", "~/x"], None, 2),
        (["sample", "--checkpoint", "digits", "--out", "~/x.png"], None, 2),
        (["train", "~/pictures", "--device", "cpu"], "cache", 2),
    ],
    ids=str,
)
def test_without_a_home_nothing_is_guessed(
    tmp_path, monkeypatch, capsys, words, data, status
):
    def nobody(*_):
        raise KeyError("no such user")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("dit_lite.files.environment._CHECKOUT", tmp_path)
    monkeypatch.setattr(
        "dit_lite.files.environment._PACKAGE", Path(dit_lite.__file__).parents[1]
    )
    if data:
        monkeypatch.setenv("DIT_LITE_DATA", data)
    else:
        monkeypatch.delenv("DIT_LITE_DATA", raising=False)
    assert main(words) == status
    said = capsys.readouterr().err
    assert "HOME" in said or "no model" in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", ["os.scandir", "os.stat"])
def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, capsys, call):
    """Root may read everything, so that the refusal is made up."""
    place = tmp_path / "pictures"
    place.mkdir()
    name = call.split(".")[1]
    real = getattr(os, name)

    def refuse(path, *how, **more):
        if isinstance(path, (str, os.PathLike)) and str(path) == str(place):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *how, **more)

    monkeypatch.setattr(os, name, refuse)
    assert main(["train", str(place), "--device", "cpu", "--out", "x"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "Permission denied" in said
    assert str(place) in said


def test_reading_no_further_than_the_first_line_is_no_error():
    code = (
        f"{sys.executable} -m dit_lite train --help | head -1; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("suffix", [*FORMATS, ".PNG", ".JPeG"])
def test_a_picture_is_of_the_kind_that_its_name_says(tmp_path, suffix):
    images = torch.linspace(-1, 1, 4 * 3 * 8 * 8).view(4, 3, 8, 8)
    at = tmp_path / "deep" / f"grid{suffix}"
    write_grid(images, 2, at)
    with Image.open(at) as picture:
        assert picture.format == FORMATS[suffix.lower()][0]
        assert picture.size == (160, 160)
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # the middle of the first pixel of the second row's first image
    expected = ((images[2, :, 0, 0] + 1) * 127.5).round()
    found = pixels[80 + 8 + 4, 8 + 4]
    assert np.abs(found - expected.numpy()).max() <= 12


def test_a_moving_picture_goes_from_the_noise_to_the_images_of_sample(tmp_path):
    asked = ["sample", "--checkpoint", "digits", "--label", "3", "5", "--count", "2"]
    asked += ["--steps", "6", "--sampler", "heun", "--seed", "4", "--out"]
    still, moves = tmp_path / "still.png", tmp_path / "moves.gif"
    assert [main([*asked, str(out)]) for out in (still, moves)] == [0, 0]
    with Image.open(still) as picture, Image.open(moves) as walk:
        images = np.asarray(picture.convert("L")).astype(int)
        assert walk.n_frames == 7
        frames, times = [], []
        for i in range(walk.n_frames):
            walk.seek(i)
            frames.append(np.asarray(walk.convert("L")).astype(int))
            times.append(walk.info["duration"])
    far = [np.abs(frame - images).mean() for frame in frames]
    assert far[-1] < 1
    assert sorted(far, reverse=True) == far
    assert times[-1] > times[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_picture_is_not_written(tmp_path, value):
    images = torch.zeros(4, 1, 8, 8)
    images[1, 0, 2, 3] = value
    with pytest.raises(DivergedError, match="1 of 4 images contain NaN or infinity"):
        write_grid(images, 2, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (dict(path="x.pgn"), r"end it with one of: .png.*did you mean '.png'"),
        (dict(channels=4), "images have 4 channels; a picture takes 1 or 3"),
        (dict(columns=2_000), "too large for .webp; ask for fewer"),
        (
            dict(columns=200, rows=200, path="x.png", image_size=256),
            "too large for .png",
        ),
    ],
)
def test_a_grid_that_cannot_be_written_is_refused_before_sampling(tmp_path, how, said):
    how = dict(path="x.webp", image_size=8, channels=1, rows=1, columns=1) | how
    with pytest.raises(ValueError, match=said):
        check_grid(**how | dict(path=tmp_path / how["path"]))
