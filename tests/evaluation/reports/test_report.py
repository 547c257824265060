import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

import dit_lite
from dit_lite.data import Dataset, load_data
from dit_lite.data.shapes import WORDS
from dit_lite.evaluation import (
    Interval,
    ReferenceError,
    evaluate_model,
    extract,
    load_extractor,
    make_reference,
    network_calls,
    real_images,
    save_reference,
    train_judge,
    training_reference,
)
from dit_lite.evaluation.networks.extractor import extract_real
from dit_lite.evaluation.reports import comparison
from dit_lite.evaluation.reports import evaluate as evaluating
from dit_lite.evaluation.reports.report import NAMES
from dit_lite.files.pretrained import Origin
from dit_lite.files.strict_json import to_json

QUICK = dict(samples=30, steps=2, sampler="ddim", repeats=21)


@pytest.fixture(scope="module", autouse=True)
def quick_learner():
    """A classifier that learns for a few steps only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            evaluating.LEARNERS,
            "digits",
            lambda images, labels, seed: train_judge(20, seed, images, labels),
        )
        yield


@pytest.fixture
def untrained(alive):
    return alive(std=0.05, num_classes=10, class_names=tuple("0123456789"))


@pytest.fixture
def broken(monkeypatch):
    """A function that makes sampling return NaN for the chosen images."""

    def break_(some):
        def sample(model, labels, *how, **more):
            images = dit_lite.sample(model, labels, *how, **more)
            images[some] = torch.nan
            return images

        monkeypatch.setattr(evaluating, "sample", sample)

    return break_


@pytest.fixture(scope="module")
def shipped(quick_learner):
    return evaluate_model(dit_lite.load("digits"), samples=140, steps=3,
    sampler="dpmpp_2m", repeats=21, guidance=2.0, interval=(0.2, 0.8), seed=5,
                          origin=Origin("digits", 96_000, 0.99))  # fmt: skip


def test_a_report_has_every_score_of_samples_and_of_real_images(shipped):
    assert (
        set(shipped.samples.values) == set(shipped.real.values) == set(NAMES.values())
    )
    assert shipped.left_out == {}
    assert shipped.samples.values["accuracy"].value > 0.9
    assert shipped.samples.values["CAS"].value > 0.3
    assert (
        shipped.samples.samples,
        shipped.real.samples,
        shipped.real.reference_count,
    ) == (140, 140, 721)


def test_a_report_prints_how_the_images_were_made(shipped):
    text = str(shipped)
    for words in ("Reference digits train at 8x8, features of digits-judge", "CAS",
    "Fréchet", "real against real", "140", "1,442", "0.2-0.8",
                  "dpmpp_2m", "100 steps", "96,000",
                  "Accuracy of the worst class"):  # fmt: skip
        assert words in text, words
    assert (
        shipped.samples.network_calls
        == network_calls(dit_lite.load("digits"), "dpmpp_2m", 3, 2.0, (0.2, 0.8))
        == 5
    )
    assert shipped.samples.seeds == (5,)


def test_a_report_survives_json(shipped):
    values = json.loads(json.dumps(shipped.to_dict()))
    assert values["frechet"] == shipped.samples.values["Fréchet"].value
    assert values["real_recall"] == shipped.real.values["recall"].value
    assert values["precision_share"] == values["precision"] / values["real_precision"]
    assert values["worst_class"] == min(shipped.by_class)
    assert {"samples", "guidance", "steps", "sampler", "seed"} <= set(values)
    assert [row["row"] for row in values["rows"]] == ["samples", "real against real"]


def test_too_few_samples_leave_scores_out_with_the_reason(untrained):
    found = evaluate_model(untrained, **QUICK)
    assert (
        "n=30 images are too few for the Fréchet distance in d=64"
        in found.left_out["Fréchet of samples"]
    )
    assert "Left out of samples and real against real: Fréchet: n=30" in str(found)
    assert "precision" in found.samples.values
    with pytest.raises(
        ValueError,
        match=r"too few for the Fréchet distance in d=64 features.*better 640",
    ):
        evaluate_model(untrained, **QUICK, scores=["frechet"])


def test_lost_samples_are_counted_and_a_diverged_model_is_refused(untrained, broken):
    broken(slice(0, 3))
    found = evaluate_model(untrained, **QUICK, scores=["accuracy", "precision"])
    assert (found.samples.samples, found.samples.lost) == (27, 3)
    assert "3 of 30 samples contained NaN or infinity" in str(found)
    broken(slice(None))
    with pytest.raises(
        ValueError,
        match="all 30 rows hold NaN or infinity; the model that made them has diverged",
    ):
        evaluate_model(untrained, **QUICK)


def test_scores_left_out_for_one_reason_share_a_line(shipped):
    reasons = {
        f"{score} of {row}": f"n={n}"
        for row, n in (("samples", 6), ("real against real", 3))
        for score in ("density", "coverage")
    }
    text = str(
        dataclasses.replace(
            shipped, left_out=reasons | {"recall of real against real": "n=3"}
        )
    )
    assert [line for line in text.splitlines() if "Left out" in line] == [
        "Left out of samples and real against real: density, coverage: n=6.",
        "Left out of real against real: recall: n=3.",
    ]


def test_a_report_says_whether_the_model_listens(shipped):
    loss = shipped.loss
    assert (
        loss.losses["its class"][0]
        < loss.losses["no class"][0]
        < loss.losses["another class"][0]
    )
    assert loss.penalty[0] == pytest.approx(
        loss.losses["another class"][0] - loss.losses["its class"][0]
    )
    assert loss.penalty[0] > 5 * loss.penalty[1] > 0
    assert (
        "Loss (flow) on 140 images of digits train, by the label given: its class "
        f"{loss.losses['its class'][0]:.4f} ±"
    ) in str(shipped)
    assert shipped.to_dict()["loss"]["losses"] == loss.losses


def test_few_images_are_said_to_be_few(shipped):
    assert (
        "Few images: with 140, a share such as precision is known to about 8 "
        "percentage points, with 400 to 5."
    ) in str(shipped)
    many = [
        dataclasses.replace(row, samples=400, reference_count=400)
        for row in (shipped.samples, shipped.real)
    ]
    assert "Few images" not in str(
        dataclasses.replace(shipped, samples=many[0], real=many[1])
    )


def test_a_reference_of_too_few_images_is_refused_before_sampling(
    untrained, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluating, "sample", None)
    images, labels = real_images("test")
    save_reference(
        make_reference(
            "mine", images[:49], labels[:49], load_extractor("digits-judge")
        ),
        tmp_path / "few.safetensors",
    )
    with pytest.raises(
        ValueError,
        match=r"'mine' has 49 images, too few for any score: .* 14 percentage points; use 50 or more, better 400",
    ):
        evaluate_model(untrained, **QUICK, reference=str(tmp_path / "few.safetensors"))


def saved(tmp_path, **changes) -> str:
    """A file of statistics of real digits."""
    images, labels = real_images("test")
    reference = make_reference(
        "digits test", images, labels, load_extractor("digits-judge")
    )
    save_reference(
        dataclasses.replace(reference, **changes), tmp_path / "reference.safetensors"
    )
    return str(tmp_path / "reference.safetensors")


def test_a_saved_reference_takes_the_place_of_the_training_images(untrained, tmp_path):
    found = evaluate_model(
        untrained, **QUICK, scores=["precision"], reference=saved(tmp_path)
    )
    assert (found.samples.reference, found.samples.reference_count) == (
        "digits test",
        355,
    )
    held_out = evaluate_model(
        untrained, **QUICK, scores=["precision"], reference="digits:test"
    )
    assert (held_out.samples, held_out.real) == (found.samples, found.real)
    assert (held_out.loss.images, found.loss) == (30, None), (
        "a file of statistics holds no images"
    )


def test_training_images_seen_before_make_the_same_report(untrained):
    seen = training_reference("digits")
    assert evaluate_model(
        untrained, "digits", **QUICK, reference=seen
    ) == evaluate_model(untrained, "digits", **QUICK)
    with pytest.raises(
        ReferenceError,
        match=r"the reference is for 'digits test', the model for 'digits train'; make it with training_reference",
    ):
        evaluate_model(
            untrained,
            "digits",
            **QUICK,
            reference=dataclasses.replace(seen, name="digits test"),
        )
    with pytest.raises(ValueError, match=r"data set with a judge.*'pictures'.*digits"):
        training_reference("pictures")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            dict(extractor="inception-v3"),
            "extractor='inception-v3', but the samples have "
            "'digits-judge'.*make_reference",
        ),
        (dict(image_size=32), "image_size=32, but the samples have 8"),
        (
            dict(features=torch.ones(355, 63)),
            "features per image=63, but the samples have 64",
        ),
        (
            dict(labels=torch.zeros(355, dtype=torch.long)),
            "the reference holds no image of class 1, 2, 3",
        ),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(untrained, tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        evaluate_model(untrained, **QUICK, reference=saved(tmp_path, **changes))


@pytest.fixture
def pictures(tmp_path):
    """A folder of two classes of pictures."""
    for k, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(3):
            noise = np.random.default_rng([k, i]).integers(
                0, 256, (8, 8, 3), dtype=np.uint8
            )
            Image.fromarray(noise).save(tmp_path / "pets" / name / f"{i}.png")
    return str(tmp_path / "pets")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(), r"has channels=3, the model 1; choose data"),
        (dict(channels=3), "num_classes=2, the model 10"),
        (
            dict(channels=3, num_classes=2, class_names=("dog", "cat")),
            r"class_names=\('cat', 'dog'\), the model \('dog', 'cat'\)",
        ),
        (
            dict(channels=3, num_classes=3, class_names=("cat", "dog", "owl")),
            "does not have the classes of the model: 'owl' missing; give pictures",
        ),
    ],
)
def test_data_of_another_shape_or_other_classes_are_refused(
    alive, pictures, tmp_path, monkeypatch, changes, said
):
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path))
    model = alive(**dict(num_classes=10) | changes)
    with pytest.raises(ValueError, match=said):
        evaluate_model(model, **QUICK, reference=pictures, extractor="digits-judge")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(samples=0), "samples=0 is too small; it must be at least 1"),
        (
            dict(scores=["fid"]),
            "score='fid' is not known; choose one of: frechet, kernel, inception",
        ),
        (
            dict(scores=["accuracy"], extractor="inception-v3"),
            "score='accuracy' needs a judge for the classes of 'digits'; its "
            "judge is 'digits-judge'",
        ),
        (
            dict(extractor="vgg"),
            "extractor='vgg' is not known; choose one of: digits-judge",
        ),
        (dict(data="birds"), "'birds' is neither a known data set nor a folder"),
        (
            dict(data="birds", scores=["cas"]),
            "score='cas' needs a classifier that learns the classes of 'birds'; "
            "there is one for: digits",
        ),
        (dict(guidance=-1), "guidance=-1 is out of range"),
        (dict(repeats=3, scores=["precision"]), "repeats=3 are too few"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_way_out(
    untrained, monkeypatch, changes, said
):
    if changes.get("data"):
        monkeypatch.setitem(comparison.JUDGES, "birds", "digits-judge")
    with pytest.raises(ValueError, match=said):
        evaluate_model(untrained, **QUICK | changes)


def test_a_model_of_unknown_data_asks_for_them(alive):
    with pytest.raises(
        ValueError,
        match="do not say which data the model was trained on; name the data set or "
        "folder as the reference",
    ):
        evaluate_model(alive(num_classes=3), **QUICK)


def test_an_extractor_whose_extra_is_missing_names_it(untrained, monkeypatch):
    def missing():
        raise ImportError("pip install torch-fidelity")

    monkeypatch.setitem(comparison.EXTRACTORS, "inception-v3", missing)
    with pytest.raises(
        ValueError,
        match=r"extractor='inception-v3': pip install .* choose one that ships, .*: digits-judge, cifar10-judge, imagenet64-judge",
    ):
        evaluate_model(untrained, **QUICK, extractor="inception-v3")


def test_a_caveat_of_the_data_stands_under_the_table(untrained, monkeypatch):
    digits = load_data("digits")
    monkeypatch.setattr(
        comparison,
        "load_data",
        lambda *_: dataclasses.replace(digits, note="Stored as JPEG."),
    )
    assert (
        str(evaluate_model(untrained, **QUICK, scores=["precision"])).count(
            "Stored as JPEG."
        )
        == 1
    )


@pytest.mark.parametrize("score", ["frechet", "precision", "cas"])
def test_what_a_score_refuses_it_refuses_before_sampling(untrained, monkeypatch, score):
    monkeypatch.setattr(
        evaluating, "sample", lambda *_, **__: pytest.fail("sampled for nothing")
    )
    with pytest.raises(ValueError, match=r"too few|at least"):
        evaluate_model(untrained, **QUICK | dict(samples=4), scores=[score])


def test_a_score_that_refuses_nothing_is_not_refused_early(shipped):
    found = evaluate_model(
        dit_lite.load("digits"), samples=140, steps=3, sampler="dpmpp_2m", repeats=21,
        guidance=2.0, interval=(0.2, 0.8), seed=5, scores=["frechet", "coverage"],
    )  # fmt: skip
    for name in ("Fréchet", "coverage"):
        assert found.samples.values[name] == shipped.samples.values[name]


def test_real_images_are_looked_at_in_parts(untrained, monkeypatch):
    data, seer = load_data("digits"), load_extractor("digits-judge")
    most = []
    floats = Dataset.floats
    monkeypatch.setattr(
        Dataset,
        "floats",
        lambda self, some: most.append(floats(self, some)) or most[-1],
    )
    found = extract_real(seer, data, batch_size=100)
    assert max(map(len, most)) == 100
    assert sum(map(len, most)) == len(data)
    monkeypatch.undo()
    whole = extract(seer, data.floats())
    torch.testing.assert_close(found.features, whole.features)
    torch.testing.assert_close(found.probabilities, whole.probabilities)


def test_a_batch_of_bright_pictures_is_not_taken_for_another_scale():
    bright = np.full((3, 1, 8, 8), 200, np.uint8)
    data = Dataset("bright", bright, np.arange(3), ("a", "b", "c"))
    assert len(extract_real(load_extractor("digits-judge"), data).features) == 3


def test_what_it_will_take_is_said_first(untrained, capsys):
    evaluate_model(untrained, **QUICK, scores=["precision"], progress=True)
    said = capsys.readouterr().err
    assert (
        "30 samples of 4 network calls each, and 1,442 real images to look at: about"
    ) in said.split("sampling")[0]


def test_tables_are_at_most_a_hundred_columns_wide(shipped):
    lines = str(shipped).split("In brackets")[0].splitlines()
    assert max(map(len, lines)) <= 100
    for name in (*NAMES.values(), "images seen", "guidance"):
        assert sum(
            name in line.split("  ") or f" {name} " in f" {line} " for line in lines
        )


def test_a_report_is_json_also_where_a_score_is_nan(shipped):
    broken = dataclasses.replace(
        shipped,
        samples=dataclasses.replace(
            shipped.samples,
            values={"precision": Interval(float("nan"), 0.0, float("inf"), 0.95, "x")},
        ),
    )

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    values = json.loads(to_json(broken.to_dict()), parse_constant=refuse)
    assert values["precision"] is None
    assert values["rows"][0]["values"]["precision"]["high"] is None


CAPTIONS = dict(condition="caption", caption_length=16)


@pytest.mark.parametrize(
    ("changes", "way_out"),
    [
        (CAPTIONS | dict(vocab_size=9), "dit_lite card --checkpoint DIR --held-out"),
        (
            CAPTIONS | dict(vocab_size=len(WORDS), words=WORDS),
            r"dit_lite.evaluation.shapes.judge_captions\(images, captions\)",
        ),
        (
            dict(condition="features", caption_length=4, feature_width=8),
            r"validation_loss\(model, data, labels=features\)",
        ),
    ],
)
def test_a_model_without_classes_is_refused_with_what_to_use(alive, changes, way_out):
    with pytest.raises(ValueError, match=rf"for models of classes; .*{way_out}"):
        evaluate_model(alive(**changes), **QUICK)
