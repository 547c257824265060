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
        np.savez(
            file, data=np.zeros((3, 100), dtype=np.uint8), labels=np.ones(3, np.int64)
        )
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


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (["00000-of-00002"], "lacks train-00001-of-00002.parquet: 1 of 2 files"),
        (["00001-of-00002"], "lacks train-00000-of-00002.parquet: 1 of 2 files"),
        (["00002-of-00005"], "lacks train-00000-of-00005.parquet and 3 more: 1 of 5"),
        (["00000-of-00001", "00000-of-00002", "00001-of-00002"], "two sets of one"),
        (["00000-of-00001", "0"], "two sets of one split"),
        (["00000-of-00001", "copy/train-00000-of-00001"], "two sets of one split"),
        (["00000-of-99999999999"], "lacks train-00001-of-99999999999.parquet"),
    ],
)
def test_a_set_that_lacks_a_shard_is_refused(root, pixels, write_parquet, there, said):
    for name in there:
        name = name if "/" in name else f"train-{name}"
        at = root / "cifar10" / f"{name}.parquet"
        write_parquet(at, pixels(2, 32), [0, 1], "img")
    with pytest.raises(DataError, match=said):
        cifar10()


def test_what_a_download_left_in_hidden_folders_is_no_shard(
    root, pixels, write_parquet
):
    for place in ("", ".cache/huggingface/download"):
        at = root / "cifar10" / place / "train-00000-of-00001.parquet"
        write_parquet(at, pixels(2, 32), [0, 1], "img")
    assert len(cifar10()) == 2


def test_a_missing_official_batch_is_named(root, pixels):
    for i in (1, 3):
        write_batch(
            root / "imagenet64" / f"train_data_batch_{i}.npz", pixels(1, 64), [1]
        )
    with pytest.raises(DataError, match=r"lacks train_data_batch_2\.npz"):
        imagenet64()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (pa.array([0, 10**9], pa.int64()), "the label 1000000000"),
        (pa.array([0, 2**63], pa.uint64()), "the label 9223372036854775808"),
        (pa.array([0, -(2**40)], pa.int64()), "the label -1099511627776"),
        (pa.array([0, None], pa.int64()), "1 images without a label"),
        (pa.array([0.0, 1.5], pa.float64()), "column label of type double"),
        (pa.array(["0", "1"]), "column label of type string"),
        (pa.array([True, False]), "column label of type bool"),
    ],
    ids=["billion", "unsigned", "negative", "null", "float", "text", "bool"],
)
@pytest.mark.parametrize("data", [cifar10, imagenet64])
def test_a_label_that_no_set_has_is_refused_before_a_picture_is_read(
    root, monkeypatch, data, labels, said
):
    monkeypatch.setattr("dit_lite.data.parquet.decode", None)
    column = "img" if data is cifar10 else "image"
    file = root / data.__name__ / "train-0.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({column: [{"bytes": b""}] * 2, "label": labels}), file)
    with pytest.raises(DataError, match=said):
        data()


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int32(), pa.uint64()])
def test_labels_may_be_of_any_whole_type(root, png, pixels, kind):
    file = root / "cifar10" / "train-0.parquet"
    file.parent.mkdir(parents=True)
    rows = [{"bytes": png(image), "path": ""} for image in pixels(2, 32)]
    pq.write_table(pa.table({"img": rows, "label": pa.array([9, 0], kind)}), file)
    assert cifar10().labels.tolist() == [9, 0]
    assert cifar10().labels.dtype == np.int64


def test_an_empty_table_is_refused(root, write_parquet, pixels):
    at = root / "imagenet64" / "train-0.parquet"
    write_parquet(at, pixels(1, 64), [0], "image")
    pq.write_table(pq.read_table(at).slice(0, 0), at)
    with pytest.raises(DataError, match=r"train-0\.parquet holds no images"):
        imagenet64()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "does not name classes"),
        ("[1, 2, 3]", "does not name classes"),
        ('[{"label": 0}, {"label": 1}]', "does not name classes"),
        ('[{"label": 7, "words": "a"}, {"label": 1, "words": "b"}]', "0, 1, 2 ..."),
        ('["a", "b\\u0007"]', "control character"),
        (json.dumps(["a", "b" * 300]), "a name with 300 characters"),
        (b"\xff", "does not name classes"),
    ],
)
def test_class_names_of_strangers_are_checked(
    root, pixels, write_parquet, content, said
):
    write_parquet(
        root / "imagenet64" / "train-0.parquet", pixels(2, 64), [0, 1], "image"
    )
    names = root / "imagenet64" / "classes.json"
    names.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said):
        imagenet64()
