import dataclasses
import json

import pytest
import torch

from dit_lite.evaluation import (
    SCORES,
    Interval,
    MixedScoresError,
    ReferenceError,
    Scores,
    ScoreTable,
    extract,
    load_extractor,
    load_reference,
    make_reference,
    measure,
    real_against_real,
    real_images,
    save_reference,
)  # fmt: skip
from dit_lite.files.tensors import write_tensors
from dit_lite.files.writing import CheckpointError


@pytest.fixture(scope="module")
def judge():
    return load_extractor("digits-judge")


@pytest.fixture(scope="module")
def reference(judge):
    images, labels = real_images("train")
    return make_reference(
        "digits train", images[:600], labels[:600], judge, note="8x8 digits."
    )


def row(**changes) -> Scores:
    fields = dict(
        row="guided", values={"Fréchet": Interval(1.5, 1.25, 1.75)},
        reference="digits train", reference_count=1442, extractor="digits-judge",
        image_size=8, samples=1000, guidance=1.5, guidance_interval=(0.2, 0.8),
        sampler="heun", steps=25, network_calls=98, ema="1,000 steps",
        seeds=(0, 1), images_seen=76_800,
    )  # fmt: skip
    return Scores(**fields | changes)


def test_a_table_prints_every_field():
    text = str(
        ScoreTable(
            [
                row(note="Stored as JPEG."),
                row(
                    row="real", guidance=None, guidance_interval=None, lost=7, values={}
                ),
            ]
        )
    )
    for field in ("digits train at 8x8", "digits-judge", "1,000", "1,442",
    "1.5 [1.25, 1.75]", "95% intervals", "0.2-0.8", "heun", "25", "98",
                  "1,000 steps", "76,800", "0, 1", "Stored as JPEG.",
                  "real: 7 of 1,007 samples contained NaN or infinity"):  # fmt: skip
        assert field in text, field
    assert "Counts differ" not in text
    assert "Counts differ" in str(ScoreTable([row(), row(samples=500)]))
    assert "all" in str(ScoreTable([row(guidance_interval=None)]))


def test_every_field_of_a_row_reaches_the_page():
    """A field that changes and leaves the table as it was is a field that is not
    printed.
    """
    plain = str(ScoreTable([row(lost=1)]))
    other = dict(
        guidance_interval=(0.1, 0.7), seeds=(5,), values={"kernel": Interval(0.1, 0, 1)}
    )
    for field in dataclasses.fields(Scores):
        value = getattr(row(lost=1), field.name)
        changed = other.get(
            field.name,
            value + 1 if isinstance(value, int | float) else f"{value} changed",
        )
        assert str(ScoreTable([row(**{"lost": 1, field.name: changed})])) != plain, (
            field.name
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [("extractor", "inception-v3"), ("reference", "digits test"), ("image_size", 32)],
)
def test_rows_that_cannot_be_compared_are_refused(field, value):
    with pytest.raises(
        MixedScoresError,
        match=rf"row 'other' has {field}={value!r}, row 'guided' has .*make two tables",
    ):
        ScoreTable([row(), row(row="other", **{field: value})])
    with pytest.raises(MixedScoresError, match="rows are empty"):
        ScoreTable([])


def test_a_row_survives_json():
    for one in (row(), row(guidance_interval=None)):
        assert Scores.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_real_images_score_better_than_blurred_ones(judge, reference):
    images, labels = real_images("train")
    blurred = torch.nn.functional.avg_pool2d(images[600:1000], 3, 1, 1)
    scores = [name for name in SCORES if name != "Inception"]
    made = measure(
        "blurred",
        reference,
        extract(judge, blurred),
        labels[600:1000],
        scores,
        repeats=20,
        guidance=1.0,
        seeds=(3,),
    )
    real = real_against_real(reference, repeats=20)
    assert set(real.values) == set(SCORES)
    for name in ("precision", "coverage", "accuracy"):
        assert real.values[name].low > made.values[name].high
    for name in ("Fréchet", "kernel"):
        assert real.values[name].high < made.values[name].low
    for value in (*real.values.values(), *made.values.values()):
        assert value.low <= value.value <= value.high
    assert (
        made.samples,
        made.guidance,
        made.seeds,
        made.note,
        real.reference_count,
    ) == (400, 1.0, (3,), "8x8 digits.", 300)
    assert "blurred" in str(ScoreTable([real, made]))


def test_the_interval_of_a_share_ends_at_0_and_1(reference):
    shares = ["precision", "recall", "coverage"]
    rows = [
        real_against_real(reference, shares, repeats=40, seed=seed, count=24)
        for seed in range(3)
    ]
    ends = [row.values[name] for row in rows for name in shares]
    assert all(0 <= found.low <= found.value <= found.high <= 1 for found in ends)
    assert any(found.high == 1 > found.value for found in ends), "it was cut here"
    crowded = real_against_real(reference, ["density"], repeats=40)
    assert crowded.values["density"].high > 1, "no share"


def test_a_lost_image_is_counted_in_the_row(judge, reference):
    images, labels = (part[600:700].clone() for part in real_images("train"))
    images[5] = torch.nan
    made = extract(judge, images)
    assert measure("broken", reference, made, labels[made.kept], ["accuracy"]).lost == 1
    with pytest.raises(
        ValueError,
        match=r"labels have shape \(100,\), features are from 99 images; leave out lost ones: labels\[made.kept\]",
    ):
        measure("broken", reference, made, labels, ["accuracy"])


def test_samples_of_another_extractor_or_resolution_are_refused(judge, reference):
    made = extract(judge, real_images("test")[0])
    labels = real_images("test")[1]
    for field, value in (("extractor", "inception-v3"), ("image_size", 32)):
        with pytest.raises(
            ReferenceError,
            match=f"'digits train' has {field}=.*, but the samples have "
            f"{value!r}.*make_reference",
        ):
            measure("other", reference, made._replace(**{field: value}), labels)
    with pytest.raises(
        ReferenceError, match="features per image=64, but the samples have 63"
    ):
        measure(
            "other", reference, made._replace(features=made.features[:, 1:]), labels
        )
    with pytest.raises(ValueError, match="score='FID' is not known"):
        measure("other", reference, made, labels, ["FID"])


def test_too_few_samples_for_one_score_leave_the_others(judge, reference):
    images, labels = (part[600:660] for part in real_images("train"))
    made = extract(judge, images)
    with pytest.raises(
        ValueError, match="n=60 images are too few for the Fréchet distance in d=64"
    ):
        measure("few", reference, made, labels)
    assert set(
        measure("few", reference, made, labels, ["kernel", "accuracy"]).values
    ) == {"kernel", "accuracy"}


def test_a_class_that_the_reference_lacks_is_named(judge, reference):
    images, labels = real_images("test")
    ones = dataclasses.replace(reference, labels=reference.labels.clamp(max=8))
    with pytest.raises(ValueError, match="the reference holds no image of class 9"):
        measure("all", ones, extract(judge, images), labels)


def test_a_reference_survives_the_disk_and_fits_one_extractor(
    tmp_path, judge, reference
):
    path = tmp_path / "digits.safetensors"
    save_reference(reference, path)
    again = load_reference(path, judge, 8)
    assert (again.name, again.note, len(again)) == (reference.name, reference.note, 600)
    assert torch.equal(again.features, reference.features)
    for extractor, size, said in (
        (
            dataclasses.replace(judge, name="inception-v3"),
            8,
            "extractor='digits-judge', but the samples have 'inception-v3'",
        ),
        (judge, 32, "image_size=8, but the samples have 32"),
        (
            dataclasses.replace(judge, dimension=63),
            8,
            "features per image=64, but the samples have 63",
        ),
    ):
        with pytest.raises(ReferenceError, match=said):
            load_reference(path, extractor, size)


def test_files_that_are_no_reference_are_refused(tmp_path, judge):
    with pytest.raises(FileNotFoundError, match=r"missing.safetensors is missing"):
        load_reference(tmp_path / "missing.safetensors", judge, 8)
    write_tensors(tmp_path / "other.safetensors", {"features": torch.ones(2, 2)})
    with pytest.raises(
        ReferenceError,
        match="it lacks extractor, image_size, labels, name, probabilities",
    ):
        load_reference(tmp_path / "other.safetensors", judge, 8)
    (tmp_path / "noise.safetensors").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match="truncated or not a safetensors file"):
        load_reference(tmp_path / "noise.safetensors", judge, 8)


def test_real_images_of_nan_and_missing_labels_are_refused(judge, reference):
    images, labels = real_images("test")
    with pytest.raises(
        ReferenceError, match="1 of 355 real images of 'broken' hold NaN"
    ):
        make_reference(
            "broken", torch.cat([images[:1] * torch.nan, images[1:]]), labels, judge
        )
    with pytest.raises(ReferenceError, match="images; give one of each per image"):
        make_reference("broken", images, labels[:-1], judge)
