"""A picture is read as a viewer shows it, or refused by name."""

import io
import shutil
import struct
import subprocess
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from dit_lite.data import DataError
from dit_lite.data.pictures import ANIMATED, FORMATS, decode


def encoded(picture, kind: str = "PNG", **how) -> bytes:
    file = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(file, format=kind, **how)
    return file.getvalue()


def grey(code: bytes) -> np.ndarray:
    """The one channel of a grey picture (H, W)."""
    image = decode(code, None, "it")
    assert (image[0] == image[1]).all()
    assert (image[0] == image[2]).all()
    return image[0]


RAMP = np.linspace(0, 65535, 64 * 64).round().astype(np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    "code",
    [
        encoded(RAMP),
        encoded(RAMP, "TIFF"),
        encoded(RAMP.astype(">u2"), "TIFF"),
        b"P5 64 64 65535\n" + RAMP.astype(">u2").tobytes(),
    ],
    ids=["png", "tiff", "tiff, big end first", "pgm"],
)
def test_sixteen_bits_of_grey_are_scaled(code):
    expected = np.rint(RAMP / 257).astype(int)
    assert np.abs(grey(code).astype(int) - expected).max() <= 1
    assert (grey(code)[0, 0], grey(code)[-1, -1]) == (0, 255)
    assert abs(grey(code).mean() - 127.5) < 1


def test_sixteen_bits_of_colour_are_scaled():
    code = b"P6 1 3 65535\n" + np.repeat([0, 32768, 65535], 3).astype(">u2").tobytes()
    assert np.abs(grey(code)[:, 0].astype(int) - [0, 128, 255]).max() <= 1


def test_ten_bits_are_scaled():
    code = b"P5 4 1 1023\n" + np.array([0, 256, 512, 1023], ">u2").tobytes()
    assert np.abs(grey(code)[0].astype(int) - [0, 64, 128, 255]).max() <= 1


CORNERS = np.array([[10, 60], [110, 160], [210, 250]], np.uint8)  # three rows of two
#: What a viewer shows of the stored CORNERS, by the tag (EXIF 2.32, table 6).
UPRIGHT = {
    1: CORNERS,
    2: CORNERS[:, ::-1],
    3: CORNERS[::-1, ::-1],
    4: CORNERS[::-1],
    5: CORNERS.T,
    6: CORNERS[::-1].T,
    7: CORNERS[::-1, ::-1].T,
    8: CORNERS.T[::-1],
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("tag", UPRIGHT)
def test_a_picture_stands_as_its_camera_was_held(kind, tag):
    exif = Image.Exif()
    exif[0x0112] = tag
    stored = np.kron(CORNERS, np.ones((16, 16), np.uint8))
    code = encoded(stored, kind, exif=exif, **({"quality": 98, "lossless": True}))
    found = grey(code)[8::16, 8::16]
    assert np.abs(found.astype(int) - UPRIGHT[tag]).max() <= 2


def test_damaged_exif_stop_nothing():
    code = encoded(
        np.full((8, 8), 77, np.uint8), "PNG", exif=b"Exif\0\0MM\0*" + b"\xff" * 9
    )
    assert (grey(code) == 77).all()


def rgba(alpha: int) -> Image.Image:
    return Image.new("RGBA", (4, 4), (0, 0, 0, alpha))


CLEAR = np.array([[0, 255], [0, 100]], np.uint8)


def clear_grey(code: bytes, value: int) -> bytes:
    """A PNG of 16 bits in which one grey is transparent: Pillow 10 reads such a file
    and cannot write it.
    """
    chunk = b"tRNS" + struct.pack(">H", value)
    checksum = struct.pack(">I", zlib.crc32(chunk))
    header = 33  # bytes of the signature and of the first chunk
    return code[:header] + struct.pack(">I", 2) + chunk + checksum + code[header:]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (encoded(rgba(0)), 255),
        (encoded(rgba(255)), 0),
        (encoded(rgba(128)), 127),
        (encoded(rgba(128), "WEBP", lossless=True), 127),
        (encoded(rgba(128), "TIFF"), 127),
        (encoded(rgba(0).convert("LA")), 255),
        (encoded(rgba(0).convert("P"), "GIF", transparency=0), 255),
        (encoded(Image.new("P", (4, 4), 0), transparency=b"\0"), 255),
        (encoded(Image.new("P", (4, 4), 0), transparency=b"\x80"), 127),
        (encoded(Image.new("L", (4, 4), 0), transparency=0), 255),
        (encoded(Image.new("RGB", (4, 4)), transparency=(0, 0, 0)), 255),
        (clear_grey(encoded(np.full((4, 4), 9, np.uint16)), 9), 255),
    ],
)  # fmt: skip
def test_what_is_transparent_shows_white_paper(code, expected):
    assert np.abs(grey(code).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (Image.new("1", (4, 4), 1), "PNG"),
        (Image.new("L", (4, 4), 255), "PNG"),
        (Image.new("RGB", (4, 4), (255, 255, 255)).convert("P"), "PNG"),
        (Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG"),
        (Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "TIFF"),
        (Image.new("YCbCr", (4, 4), (255, 128, 128)), "JPEG"),
        (Image.new("1", (4, 4), 1), "PPM"),
    ],
)
def test_white_of_every_mode_is_white(picture, kind):
    assert (grey(encoded(picture, kind)) >= 254).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.float32, "floats"), (np.int32, "whole numbers of 32 bits")],
)
def test_values_without_a_white_are_refused(values, words):
    code = encoded(np.full((4, 4), 70_000, values), "TIFF")
    with pytest.raises(DataError, match=rf"it cannot be read .*{words}.*8 or 16 bits"):
        decode(code, 4, "it")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


def test_no_other_program_is_started(monkeypatch):
    def started(*args, **kw):
        raise AssertionError(f"started {args}")

    for module, name in ((subprocess, "Popen"), (subprocess, "run"), (shutil, "which")):
        monkeypatch.setattr(module, name, started)
    with pytest.raises(DataError, match=f"not one of {', '.join(FORMATS)}"):
        decode(EPS, 8, "it")


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "SGI", "PDF", "JPEG2000"])
def test_only_the_formats_that_are_named_are_opened(kind):
    code = encoded(np.zeros((16, 16, 3), np.uint8), kind)
    with pytest.raises(DataError, match="not one of PNG, JPEG"):
        decode(code, 16, "it")


def test_a_small_file_of_many_pixels_is_refused_before_it_unpacks():
    png = bytearray(encoded(Image.new("1", (8, 8))))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(DataError, match="more than 180,000,000 pixels"):
        decode(bytes(png), 8, "it")


def test_the_bound_is_ours_even_where_pillow_has_none(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr("dit_lite.data.pictures.MOST_PIXELS", 15)
    with pytest.raises(DataError, match="more than 15 pixels"):
        decode(encoded(np.zeros((4, 4), np.uint8)), 4, "it")


def test_the_first_frame_of_several_is_taken_and_counted():
    frames = [Image.new("L", (4, 4), v) for v in (30, 220)]
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        code = encoded(
            frames[0], kind, save_all=True, append_images=frames[1:], lossless=True
        )
        counted = Counter()
        assert (decode(code, None, "it", counted) == 30).all()
        assert counted == {ANIMATED: 1}


def test_the_preview_in_a_phones_picture_is_no_second_frame():
    frames = [Image.new("RGB", (8, 8), (v, v, v)) for v in (30, 220)]
    counted = Counter()
    code = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert np.abs(decode(code, 8, "it", counted).astype(int) - 30).max() <= 1
    assert not counted


def test_a_row_without_a_picture_is_named():
    with pytest.raises(DataError, match="row 3 of x holds no picture"):
        decode(None, 8, "row 3 of x")
