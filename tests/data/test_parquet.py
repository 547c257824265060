"""CIFAR-10 and ImageNet in the forms in which they are found on disk."""

import io
import json
import socket
import urllib.error

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dit_lite.data import DataError, cifar10, imagenet64, load_data


def test_cifar10_is_read_from_hub_parquet_files(root, pixels, write_parquet):
    images = pixels(12, 32)
    place = root / "cifar10" / "plain_text"
    write_parquet(place / "train-00000-of-00002.parquet", images[:5], range(5), "img")
    write_parquet(
        place / "train-00001-of-00002.parquet", images[5:9], range(5, 9), "img"
    )
    write_parquet(place / "test-00000-of-00001.parquet", images[9:], [9, 0, 1], "img")
    train, test = load_data("cifar10", "train"), load_data("cifar10", "test")
    assert np.array_equal(train.images, images[:9])
    assert np.array_equal(test.images, images[9:])
    assert train.labels.tolist() == list(range(9))
    assert test.labels.tolist() == [9, 0, 1]
    assert train.shape["num_classes"] == 10
    assert train.class_names[3] == "cat"
    assert train.flip
    assert train.note == ""


@pytest.mark.parametrize(
    ("data", "column", "size"), [(cifar10, "img", 32), (imagenet64, "image", 64)]
)
def test_pictures_stored_as_jpeg_come_with_a_caveat(root, pixels, data, column, size):
    file, code = root / data.__name__ / "train-0.parquet", io.BytesIO()
    Image.fromarray(pixels(1, size)[0].transpose(1, 2, 0)).save(code, format="JPEG")
    file.parent.mkdir(parents=True)
    pq.write_table(
        pa.table(
            {
                column: [{"bytes": code.getvalue(), "path": "0.jpg"}],
                "label": pa.array([0], pa.int64()),
            }
        ),
        file,
    )
    assert "stored as JPEG here" in data("train").note


@pytest.mark.parametrize("validation", ["validation", "valid", "test"])
def test_imagenet_is_read_from_hub_parquet_files(
    root, pixels, write_parquet, validation
):
    images = pixels(6, 64)
    write_parquet(
        root / "imagenet64" / "data" / "train-00000-of-00001.parquet",
        images[:4],
        [0, 1, 2, 1],
        "image",
    )
    write_parquet(
        root / "imagenet64" / "data" / f"{validation}-00000-of-00001.parquet",
        images[4:],
        [2, 0],
        "image",
    )
    (root / "imagenet64" / "classes.json").write_text(
        json.dumps([{"label": k, "words": f"name {k}, other"} for k in (2, 0, 1)])
    )
    train, test = imagenet64("train"), imagenet64("test")
    assert np.array_equal(train.images, images[:4])
    assert np.array_equal(test.images, images[4:])
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1, 2, 1], [2, 0])
    assert train.class_names == test.class_names == ("name 0", "name 1", "name 2")


def test_without_names_classes_are_numbered(root, pixels, write_parquet):
    write_parquet(
        root / "imagenet64" / "train-0.parquet", pixels(3, 64), [0, 1, 2], "image"
    )
    assert imagenet64().class_names == ("0", "1", "2")


def write_batch(path, images, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, data=images.reshape(len(images), -1), labels=np.asarray(labels))


def test_imagenet_is_read_from_the_official_batches(root, pixels):
    images = pixels(7, 64)
    write_batch(root / "imagenet64" / "train_data_batch_1.npz", images[:3], [1, 2, 3])
    write_batch(root / "imagenet64" / "train_data_batch_2.npz", images[3:5], [2, 1])
    write_batch(root / "imagenet64" / "val_data.npz", images[5:], [3, 1])
    train, test = imagenet64("train"), imagenet64("test")
    assert np.array_equal(train.images, images[:5])
    assert train.labels.tolist() == [0, 1, 2, 1, 0]
    assert np.array_equal(test.images, images[5:])
    assert test.labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    "kind", ["empty", "text", "cut short", "other names", "other shape"]
)
def test_a_broken_batch_is_named(root, pixels, kind):
    file = root / "imagenet64" / "train_data_batch_1.npz"
    write_batch(file, pixels(3, 64), [1, 2, 3])
    if kind == "other names":
        np.savez(file, pictures=np.zeros(3))
    elif kind == "other shape":
        np.savez(file, data=np.zeros((3, 100), dtype=np.uint8), labels=np.ones(3))
    else:
        file.write_bytes(
            {
                "empty": b"",
                "text": b"no batch",
                "cut short": file.read_bytes()[:20_000],
            }[kind]
        )
    with pytest.raises(
        DataError,
        match=r"train_data_batch_1\.npz is not a batch of downsampled ImageNet.*download it again",
    ):
        imagenet64()


def test_missing_imagenet_says_how_to_get_it(root):
    for split in ("train", "test"):
        with pytest.raises(DataError) as error:
            imagenet64(split)
        for words in (
            f"imagenet64 ({split})",
            str(root / "imagenet64"),
            "parquet",
            "image-net.org",
            "DIT_LITE_DATA",
        ):
            assert words in str(error.value)


def test_missing_cifar10_without_a_network_says_what_to_do(root, monkeypatch):
    asked = []

    def refuse(*args, **kw):
        asked.append(args)
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(DataError) as error:
        cifar10()
    for words in (
        "cifar10 is not below",
        str(root / "cifar10"),
        "could not be downloaded",
        "uoft-cs/cifar10",
        "DIT_LITE_DATA",
    ):
        assert words in str(error.value)
    assert 0 < len(asked) < 10  # it was tried, and not over and over again


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("timed out"),
        TimeoutError("timed out"),
        ConnectionResetError(104, "reset"),
    ],
)
def test_a_download_that_breaks_off_is_a_data_error(root, monkeypatch, error):
    def refuse(*args, **kw):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataError, match="could not be downloaded"):
        cifar10()


@pytest.mark.parametrize("kind", ["empty", "text", "cut short", "damaged inside"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_broken_parquet_file_is_named(root, pixels, write_parquet, kind, which):
    files = [root / "cifar10" / f"train-0000{i}-of-00002.parquet" for i in range(2)]
    for file in files:
        write_parquet(file, pixels(8, 32), range(8), "img")
    content = files[which].read_bytes()
    middle = len(content) // 3
    files[which].write_bytes(
        {
            "empty": b"",
            "text": b"no table",
            "cut short": content[:-100],
            "damaged inside": content[:4] + bytes(middle) + content[4 + middle :],
        }[kind]
    )
    with pytest.raises(DataError) as error:
        cifar10()
    assert files[which].name in str(error.value)
    assert "download it again" in str(
        error.value
    ) or "cannot be read as a picture" in str(error.value)


def test_other_columns_are_named(root, pixels, write_parquet):
    write_parquet(root / "cifar10" / "train-0.parquet", pixels(2, 32), [0, 1], "image")
    with pytest.raises(
        DataError, match=r"columns \['image', 'label'\], not \['img'\].*\(img, label\)"
    ):
        cifar10()


def test_pictures_that_are_no_encoded_files_are_refused(root):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / "cifar10").mkdir(parents=True)
    for column in (
        ["a.png", "b.png"],
        [{"path": "a.png"}, {"path": "b.png"}],
        [None, None],
    ):
        pq.write_table(
            pa.table({"img": column, "label": [0, 1]}),
            root / "cifar10" / "train-0.parquet",
        )
        with pytest.raises(DataError, match=r"train-0\.parquet.*img"):
            cifar10()


def test_a_label_that_is_no_class_is_refused(root, pixels, write_parquet):
    write_parquet(
        root / "imagenet64" / "train-0.parquet", pixels(2, 64), [0, 1], "image"
    )
    # the hub's hidden labels
    write_parquet(
        root / "imagenet64" / "test-0.parquet", pixels(2, 64), [-1, -1], "image"
    )
    with pytest.raises(DataError, match="label -1"):
        imagenet64("test")
    write_parquet(root / "cifar10" / "train-0.parquet", pixels(2, 32), [0, 10], "img")
    with pytest.raises(DataError, match="label 10"):
        cifar10()
