import io

import numpy as np
import pytest
from PIL import Image

from dit_lite.data import DataError, folder, load_data


@pytest.fixture
def photos(root, tmp_path, pixels, png):
    """Two classes of 16x16 pictures: three cats, two dogs, one of them a folder
    deeper.
    """
    place = tmp_path / "photos"
    names = ("cat/a.png", "cat/b.PNG", "cat/c.png", "dog/a.png", "dog/more/b.png")
    for name, image in zip(names, pixels(5, 16), strict=True):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png(image))
    return place


def test_the_class_is_the_name_of_the_folder(photos, pixels):
    data = folder(photos, 16)
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 0, 1, 1]
    assert (data.images.dtype, data.labels.dtype) == (np.uint8, np.int64)
    assert np.array_equal(data.images, pixels(5, 16))


def test_any_path_is_a_data_set(photos):
    assert load_data(str(photos)).images.shape == (5, 3, 32, 32)
    assert load_data(str(photos), image_size=8).images.shape == (5, 3, 8, 8)


def save(path, array, **kw):
    Image.fromarray(array).save(path, **kw)


def test_pictures_of_any_kind_become_square_rgb(photos):
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200
    save(photos / "cat" / "d.png", wide)
    save(photos / "cat" / "e.png", np.full((9, 9), 100, dtype=np.uint8))
    save(photos / "cat" / "f.gif", np.full((9, 9), 50, dtype=np.uint8))
    save(photos / "cat" / "g.jpg", np.full((9, 9, 3), 25, dtype=np.uint8))
    save(photos / "cat" / "h.webp", np.full((1, 5, 4), 128, dtype=np.uint8))
    images = folder(photos, 10).images
    assert (images[3] == 200).all()  # the centred square
    assert (images[4] == 100).all()
    assert (images[5] == 50).all()
    assert np.abs(images[6].astype(int) - 25).max() < 3
    assert images[7].shape == (3, 10, 10)


def test_files_that_are_no_pictures_and_hidden_folders_are_passed_over(photos):
    (photos / "cat" / "notes.txt").write_text("not a picture")
    (photos / ".thumbnails").mkdir()
    assert len(folder(photos, 16)) == 5


def test_a_changed_picture_is_decoded_again(photos, pixels, png):
    before = folder(photos, 16).images[0].copy()
    (photos / "cat" / "a.png").write_bytes(png(pixels(1, 16, seed=9)[0]) + b" ")
    after = folder(photos, 16).images[0]
    assert not np.array_equal(before, after)
    assert np.array_equal(after, pixels(1, 16, seed=9)[0])


def refusal(place) -> str:
    with pytest.raises(DataError) as error:
        folder(place, 16)
    return str(error.value)


def test_no_folder(root, tmp_path):
    for place in ("nowhere", tmp_path / "nowhere"):
        assert f"data={str(place)!r}" in refusal(place)
    (tmp_path / "file").write_text("")
    assert "digits, cifar10, imagenet64, or the path of a folder" in refusal(
        tmp_path / "file"
    )


def test_no_pictures(root, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no pictures" in refusal(tmp_path / "empty")
    assert "CLASS/PICTURE.png" in refusal(tmp_path / "empty")


def test_loose_pictures(root, tmp_path, pixels, png):
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "a.png").write_bytes(png(pixels(1, 16)[0]))
    assert "one folder a class" in refusal(tmp_path / "loose")


def test_a_single_class(photos):
    (photos / "cat").rename(photos / "dog" / "cats")
    assert "single class folder, 'dog'" in refusal(photos)


def test_an_empty_class(photos):
    (photos / "bird").mkdir()
    assert f"{photos / 'bird'} holds no pictures" in refusal(photos)


def huge(_) -> bytes:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, format="PNG", compress_level=1)
    return file.getvalue()


BROKEN = {
    "empty": lambda encoded: b"",
    "text": lambda encoded: b"not a picture at all",
    "cut short": lambda encoded: encoded[: len(encoded) // 2],
    "header only": lambda encoded: encoded[:20],
    "damaged": lambda encoded: encoded[:60] + bytes(20) + encoded[80:],
    "a bomb": huge,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_picture_is_named(photos, pixels, png, root, kind):
    (photos / "dog" / "a.png").write_bytes(BROKEN[kind](png(pixels(1, 16)[0])))
    said = refusal(photos)
    assert str(photos / "dog" / "a.png") in said
    assert "cannot be read as a picture" in said
    assert "remove or replace it" in said
    assert " object at 0x" not in said
    assert not [file for file in (root / "decoded").iterdir() if "part" in file.name]
