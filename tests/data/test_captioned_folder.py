"""A folder of pictures with captions.csv is a data set of a captioned model."""

import numpy as np
import pytest

from dit_lite import TrainConfig, sample, train
from dit_lite.data import DataError, load_data

TABLE = {
    "a.png": "A red cat.",
    "deep/b.png": "the cat sleeps on a mat",
    "c.png": "Mat!",
}


@pytest.fixture
def album(root, tmp_path, pixels, png):
    place = tmp_path / "album"
    for name, image in zip(TABLE, pixels(3, 16), strict=True):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png(image))
    write(place, TABLE)
    return place


def write(place, table, head="file,caption"):
    lines = [head, *(f'{name},"{said}"' for name, said in table.items())]
    (place / "captions.csv").write_text("\n".join(lines), encoding="utf-8")


def test_words_become_ids_of_a_vocabulary_of_the_captions(album, pixels):
    data = load_data(str(album), image_size=16)
    assert data.words == ("", "a", "cat", "mat", "on", "red", "sleeps", "the")
    assert data.labels.tolist() == [
        [1, 5, 2, 0, 0, 0], [7, 2, 6, 4, 1, 3], [3, 0, 0, 0, 0, 0],
    ]  # fmt: skip
    assert np.array_equal(data.images, pixels(3, 16))
    assert (data.shape["vocab_size"], data.shape["caption_length"]) == (8, 6)


def test_a_model_of_it_trains_and_takes_captions_as_strings(album, tmp_path):
    changes = dict(width=16, depth=1, heads=2)
    config = TrainConfig(
        data=str(album), image_size=16, preset="S/8", changes=changes, steps=2,
        batch_size=4, warmup=1, out=str(tmp_path / "run"), device="cpu",
        label_dropout=0.1,
    )  # fmt: skip
    model = train(config).model
    assert model.config.condition == "caption"
    # the order of its words counts
    assert model.config.conditioning == "adaln_zero_cross"
    images = sample(model, ["the red mat"], steps=2)
    assert images.shape == (1, 3, 16, 16)
    with pytest.raises(ValueError, match=r"unknown word 'dog'"):
        sample(model, ["a dog"], steps=2)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE | {"d.png": "a cat"}, "not there: .*d.png; add them"),
        (TABLE | {"d.png": "x", "e.png": "y"}, "d.png and 1 more"),
        (TABLE | {"a.png": " . "}, "line 2: the caption of a.png is empty"),
        (TABLE | {"c.png": "mat " * 78}, "line 4: .* has 78 words, but at most 77"),
        (
            TABLE | {"../x.png": "mat"},
            r"line 5: file='../x.png' is not a picture inside",
        ),
        ({}, "no lines"),
    ],
)
def test_a_wrong_table_is_named_by_its_line(album, table, words):
    write(album, table)
    with pytest.raises(DataError, match=words):
        load_data(str(album), image_size=16)


def splits(place, *names):
    lines = ["file,caption,split"]
    lines += [f"{f},{s},{n}" for (f, s), n in zip(TABLE.items(), names, strict=True)]
    (place / "captions.csv").write_text("\n".join(lines), encoding="utf-8")


def test_a_column_says_what_is_held_out_and_both_splits_share_words(album, pixels):
    splits(album, "train", "test", "train")
    kept, held = (load_data(str(album), name, 16) for name in ("train", "test"))
    images = pixels(3, 16)
    assert np.array_equal(kept.images, images[[0, 2]])
    assert np.array_equal(held.images, images[[1]])
    assert kept.shape == held.shape, "one model fits both"
    assert [[held.words[i] for i in ids] for ids in held.labels] == [
        ["the", "cat", "sleeps", "on", "a", "mat"]
    ]
    assert kept.labels.tolist() == [[1, 5, 2, 0, 0, 0], [3, 0, 0, 0, 0, 0]]


def test_a_table_without_a_split_holds_nothing_out_and_says_what_to_add(album):
    with pytest.raises(
        DataError,
        match=r"no pictures for split='test'; .* file,caption,split, and test",
    ):
        load_data(str(album), "test", 16)
    splits(album, "test", "test", "test")
    with pytest.raises(DataError, match="no pictures for split='train'"):
        load_data(str(album), "train", 16)


@pytest.mark.parametrize("name", ["", "Test", "val"])
def test_a_split_of_another_name_is_named_by_its_line(album, name):
    splits(album, "train", name, "test")
    with pytest.raises(DataError, match=f"line 3: split='{name}' is neither train"):
        load_data(str(album), "train", 16)


def test_a_table_without_its_columns_or_in_no_text_is_named(album):
    write(album, TABLE, "picture,text")
    with pytest.raises(DataError, match=r"no column 'file' .* must be: file,caption"):
        load_data(str(album))
    (album / "captions.csv").write_bytes(b"file,caption\na.png,\xff\xfe\n")
    with pytest.raises(DataError, match="save it as CSV in UTF-8"):
        load_data(str(album))
