import io
import os

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from dit_lite import ConfigError, TrainConfig, sample, train
from dit_lite.data import DATASETS, DataError, folder, load_data, shape_before_reading
from dit_lite.data.dataset import few_pictures


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


def test_what_is_no_picture_is_passed_over_and_said_once(photos):
    (photos / "cat" / "notes.txt").write_text("not a picture")
    (photos / "cat" / "._a.png").write_bytes(b"what a Mac leaves on other disks")
    (photos / "cat" / ".git" / "deep").mkdir(parents=True)
    (photos / "cat" / ".git" / "deep" / "x.png").write_bytes(b"")
    (photos / "cat" / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(photos / "dog" / "pipe.png")
    (photos / ".thumbnails").mkdir()
    (photos / "__MACOSX").mkdir()
    (photos / "loose.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match="skipped") as said:
        assert len(folder(photos, 16)) == 5
    (message,) = (str(w.message) for w in said)
    for words in (
        f"{photos}: skipped: ",
        "4 hidden (a name that begins with . or __)",
        "1 of other kinds",
        "2 links that lead nowhere, or files that are not ordinary",
        "1 pictures beside the class folders",
    ):
        assert words in message


@pytest.mark.parametrize("suffix", sorted({*IMG_EXTENSIONS, ".gif", ".JPEG", ".jfif"}))
def test_what_torchvision_takes_for_a_picture_is_one(root, tmp_path, suffix):
    (tmp_path / "p" / "a").mkdir(parents=True)
    kind = {".jfif": "JPEG", ".jpeg": "JPEG"}.get(suffix.lower())
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "p" / "a" / f"1{suffix}", kind)
    assert folder(tmp_path / "p", 4).images.shape == (1, 3, 4, 4)


def test_the_classes_are_those_of_torchvision(photos, pixels, png):
    (photos / "Zebra").mkdir()
    (photos / "Zebra" / "10.png").write_bytes(png(pixels(1, 16)[0]))
    (photos / "Zebra" / "9.png").write_bytes(png(pixels(1, 16)[0]))
    theirs, ours = ImageFolder(photos), folder(photos, 16)
    assert ours.class_names == tuple(theirs.classes)
    assert ours.labels.tolist() == theirs.targets
    for (picture, _), image in zip(theirs, ours.images, strict=True):
        assert np.array_equal(np.asarray(picture).transpose(2, 0, 1), image)


def test_linked_folders_are_followed_and_loops_end(photos, tmp_path, pixels, png):
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "d.png").write_bytes(png(pixels(1, 16)[0]))
    (photos / "bird").symlink_to(tmp_path / "elsewhere")
    (photos / "cat" / "linked").symlink_to(tmp_path / "elsewhere")
    (photos / "cat" / "again").symlink_to(photos / "cat")
    (photos / "dog" / "more" / "above").symlink_to(photos / "dog")
    with pytest.warns(UserWarning, match="2 links to a folder that was already read"):
        data = folder(photos, 16)
    assert data.class_names == ("bird", "cat", "dog")
    assert np.bincount(data.labels).tolist() == [1, 4, 2]


def test_a_picture_relabelled_by_a_link_is_relabelled(root, tmp_path, pixels, png):
    pool = tmp_path / "pool.png"
    pool.write_bytes(png(pixels(1, 16)[0]))
    for name in "ab":
        (tmp_path / "p" / name).mkdir(parents=True)
    (tmp_path / "p" / "a" / "1.png").symlink_to(pool)
    (tmp_path / "p" / "b" / "2.png").symlink_to(pool)
    assert folder(tmp_path / "p", 16).labels.tolist() == [0, 1]


def test_frames_after_the_first_are_said_to_be_left_out(photos):
    frames = [Image.new("RGB", (16, 16), (k, k, k)) for k in (10, 200)]
    for name in ("d.gif", "e.webp", "f.tif"):
        frames[0].save(
            photos / "cat" / name,
            save_all=True,
            append_images=frames[1:],
            lossless=True,
        )
    with pytest.warns(UserWarning, match="read in part: 3 animated or with several"):
        images = folder(photos, 16).images
    assert (images[3:6] == 10).all()


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
    assert "digits, shapes, cifar10, imagenet64, or the path of a folder" in refusal(
        tmp_path / "file"
    )


def test_no_pictures(root, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no pictures" in refusal(tmp_path / "empty")
    assert "CLASS/PICTURE.png" in refusal(tmp_path / "empty")


def test_pictures_without_class_folders_are_one_class(root, tmp_path, pixels, png):
    (tmp_path / "loose").mkdir()
    for i, image in enumerate(pixels(3, 16)):
        (tmp_path / "loose" / f"{i}.png").write_bytes(png(image))
    data = folder(tmp_path / "loose", 16)
    assert (data.class_names, data.labels.tolist()) == (("loose",), [0, 0, 0])
    assert np.array_equal(data.images, pixels(3, 16))


def test_a_single_class_can_be_trained(photos, tmp_path):
    (photos / "cat").rename(photos / "dog" / "cats")
    config = TrainConfig(
        data=str(photos), image_size=8, steps=2, batch_size=2, out=str(tmp_path / "run"),
        changes=dict(width=16, depth=1, heads=2, patch_size=4), device="cpu",
    )  # fmt: skip
    assert folder(photos, 16).class_names == ("dog",)
    model = train(config).model
    assert sample(model, [0], steps=1).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("nested", [True, False])
def test_splits_are_no_classes(photos, nested, tmp_path):
    if nested:
        (tmp_path / "set").mkdir()
        photos.rename(tmp_path / "set" / "train")
        said = refusal(tmp_path / "set")
    else:
        (photos / "cat").rename(photos / "train")
        (photos / "dog" / "more" / "b.png").rename(photos / "dog" / "b.png")
        (photos / "dog" / "more").rmdir()
        (photos / "dog").rename(photos / "Test")
        said = refusal(photos)
    assert "which are splits, not classes; give one of them" in said


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u2028b", "a\u202eb", b"\xff"])
def test_a_class_with_a_control_character_is_refused(photos, name):
    if isinstance(name, bytes):
        name = os.fsdecode(name)  # no text in UTF-8
    (photos / "cat").rename(photos / name)
    said = refusal(photos)
    assert "control character" in said
    assert said.isprintable()


@pytest.mark.parametrize("size", [0, -1, 4097, 10**9, 16.0, "16", None, True])
def test_a_side_that_no_image_has_is_refused(photos, size):
    with pytest.raises(DataError, match=r"image_size=.* from 1 to 4096"):
        folder(photos, size)


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


def test_a_size_that_a_set_does_not_have_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setitem(DATASETS, "cifar10", lambda split: pytest.fail("it is read"))
    with pytest.raises(ConfigError, match=r"image_size=64 does not fit cifar10, .* 32"):
        load_data("cifar10", image_size=64)


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_the_shape_that_is_known_before_reading_is_that_of_the_data(name):
    known = shape_before_reading(name)
    assert known == {field: load_data(name).shape[field] for field in known}


def test_few_pictures_and_a_class_of_one_are_said(photos, monkeypatch):
    data = load_data(str(photos))
    (few,) = few_pictures(data, "photos")
    assert few.startswith("photos holds 5 pictures. A model can memorise that few")
    monkeypatch.setattr("dit_lite.data.dataset.FEW", 5)
    assert few_pictures(data, "photos") == []
    (photos / "dog" / "a.png").unlink()
    (photos / "ant").mkdir()
    (photos / "cat" / "a.png").rename(photos / "ant" / "a.png")
    monkeypatch.setattr("dit_lite.data.dataset.FEW", 4)
    assert few_pictures(load_data(str(photos)), "photos") == [
        "photos holds only one picture of ant, dog. A model can only repeat it: add "
        "pictures, or remove the class"
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dict(changes=dict(patch_size=7)), "patch_size=7 does not divide image_size"),
        (dict(changes=dict(heads=5)), "heads=5 does not divide width=384"),
        (dict(init_from="digits"), "init_from='digits' has image_size=8, .* have 32"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_pictures_are_decoded(
    photos, monkeypatch, given, words
):
    monkeypatch.setattr(
        "dit_lite.training.loop.load_data", lambda *_: pytest.fail("they are read")
    )
    with pytest.raises(ConfigError, match=words):
        train(TrainConfig(data=str(photos), device="cpu", **given))
