import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from dit_lite import ConfigError, TrainConfig, load, train
from dit_lite.data import Dataset, captioned_shapes, digits
from dit_lite.training import CheckpointError, Trainer
from dit_lite.training.identity import describe_data


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of two classes, and the run that was trained on it."""
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "root"))
    for i, name in enumerate(("cat", "cat", "dog", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 60 * i, dtype=np.uint8)).save(
            tmp_path / "photos" / name / f"{i}.png"
        )
    config = TrainConfig(
        data=str(tmp_path / "photos"),
        out=str(tmp_path / "run"),
        device="cpu",
        preset="digits",
        changes=dict(width=16, depth=1, heads=2),
        image_size=8,
        steps=3,
        batch_size=4,
    )
    train(config, progress=False)
    return config, tmp_path


def test_what_few_pictures_do_is_said(photos, tmp_path, capsys):
    config, _ = photos
    train(dataclasses.replace(config, out=str(tmp_path / "other")))
    assert "note: " in (said := capsys.readouterr().err)
    assert "holds 4 pictures. A model can memorise that few" in said


def refusal(config) -> str:
    with pytest.raises(CheckpointError) as error:
        train(config, resume=True, progress=False)
    return str(error.value)


def test_a_renamed_class_does_not_resume(photos):
    """Its name is the last now, so that all labels are others."""
    config, place = photos
    (place / "photos" / "cat").rename(place / "photos" / "zebra")
    said = refusal(config)
    assert "holds a run on other data: class 0 was 'cat' and is now 'dog'" in said
    assert f"--init-from {place / 'run'}" in said


def test_another_picture_does_not_resume(photos):
    config, place = photos
    Image.fromarray(np.full((8, 8, 3), 61, dtype=np.uint8)).save(
        place / "photos" / "cat" / "1.png"
    )
    assert "the images or labels of 'photos' changed, or their order" in refusal(config)


def test_another_order_of_the_pictures_does_not_resume(photos):
    config, place = photos
    (place / "photos" / "cat" / "0.png").rename(place / "photos" / "cat" / "2.png")
    assert "changed, or their order" in refusal(config)


def test_one_picture_more_does_not_resume(photos):
    config, place = photos
    shutil.copy(place / "photos/dog/2.png", place / "photos/dog/9.png")
    assert "images of 'photos' was 4, now 5" in refusal(config)


def test_a_picture_that_moved_to_another_class_does_not_resume(photos):
    config, place = photos
    (place / "photos/cat/1.png").rename(place / "photos/dog/1.png")
    assert "changed, or their order" in refusal(config)


def test_pictures_that_were_moved_as_a_whole_resume(photos):
    config, place = photos
    (place / "photos").rename(place / "elsewhere")
    moved = dataclasses.replace(config, data=str(place / "elsewhere"))
    train(moved, resume=True, progress=False)


@pytest.mark.parametrize(
    "change",
    [
        dict(labels=digits().labels[::-1].copy()),
        dict(images=digits().images ^ 1),
        dict(class_names=tuple("0123456798")),
        dict(flip=True),
        dict(images=digits().images[:-1], labels=digits().labels[:-1]),
    ],
    ids=lambda change: " ".join(change),
)
def test_whatever_changes_in_the_data_changes_their_description(change):
    data = digits()
    assert describe_data(dataclasses.replace(data, **change)) != describe_data(data)


def test_generated_data_are_told_apart_without_making_all_of_them():
    found = [
        describe_data(captioned_shapes(split, seed))["content"]
        for split in ("train", "unseen")
        for seed in (0, 1)
    ]
    assert len(set(found)) == 4
    assert describe_data(captioned_shapes())["content"] == found[0]


def test_images_on_disk_are_described_like_those_in_memory(tmp_path):
    data = digits()
    np.save(tmp_path / "images.npy", data.images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    again = Dataset(data.name, mapped, data.labels, data.class_names, data.flip)
    assert describe_data(again) == describe_data(data)


# ---- longer, and lower


@pytest.mark.parametrize("steps", [12, 7])
def test_a_run_of_constant_rate_goes_on_as_if_it_had_been_longer(
    tmp_path, short, steps
):
    base = dict(schedule="constant", warmup=2)
    train(short(out=str(tmp_path / "run"), steps=steps, **base), progress=False)
    longer = short(out=str(tmp_path / "run"), steps=15, **base)
    run = train(longer, resume=True, progress=False)
    whole = train(short(steps=15, **base), progress=False)
    assert run.metrics[-1]["step"] == 15
    for a, b in zip(run.model.parameters(), whole.model.parameters(), strict=True):
        assert a.equal(b)


def test_a_longer_run_has_the_rates_of_its_new_length(tmp_path, short):
    config = short(out=str(tmp_path / "run"), log_every=1)
    train(config, progress=False)
    run = train(dataclasses.replace(config, steps=20), resume=True, progress=False)
    rates = [line["lr"] for line in run.metrics]
    whole = train(short(steps=20, log_every=1), progress=False)
    assert rates[12:] == [line["lr"] for line in whole.metrics][12:]
    assert rates[12] > rates[11], "the cosine of 12 steps had come to its end"


def test_a_warm_up_that_was_left_open_stays_what_it_was(tmp_path):
    base = dict(
        out=str(tmp_path / "run"), device="cpu", batch_size=2, log_every=1,
        changes=dict(width=16, depth=1, heads=2),
    )  # fmt: skip
    assert TrainConfig(steps=20, **base).warmup == 2
    train(TrainConfig(steps=20, **base), progress=False)
    trainer = Trainer(TrainConfig(steps=40, **base), resume=True)
    assert (trainer.config.warmup, trainer.config.steps) == (2, 40)
    trainer.directory.close()
    asked = TrainConfig(steps=40, warmup=5, **base)
    assert "warmup was 2 and is now 5" in refusal(asked)


def test_a_rate_may_be_lowered_and_this_is_said(tmp_path, short, capsys):
    config = short(out=str(tmp_path / "run"), log_every=1)
    train(config, progress=False)
    later = dataclasses.replace(config, steps=15, lr=1e-3, clip=0.5)
    run = train(later, resume=True)
    said = capsys.readouterr().err
    for words in ("from step 12 on, steps was 12 and is now 15", "lr was 0.003 and is"):
        assert words in said
    assert "clip was 1.0 and is now 0.5" in said
    assert run.metrics[-1]["lr"] < 1e-3
    # and it is the lower rate that the next resume has to name
    assert "lr was 0.001 and is now 0.003" in refusal(
        dataclasses.replace(later, lr=3e-3)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict(steps=11), "steps was 12 and is now 11; resume with the same settings "),
        (dict(steps=11), r"\(steps: only longer\)"),
        (dict(lr=4e-3), r"lr was 0.003 and is now 0.004; .*\(lr: only lower\)"),
        (dict(clip=2.0), r"clip was 1.0 and is now 2.0; .*\(clip: only lower\)"),
    ],
    ids=str,
)
def test_settings_do_not_move_the_other_way(tmp_path, short, change, said):
    config = short(out=str(tmp_path / "run"))
    train(config, progress=False)
    with pytest.raises(CheckpointError, match=said):
        train(dataclasses.replace(config, **change), resume=True, progress=False)


# ---- beginning from another run


@pytest.fixture
def begun(tmp_path, short):
    config = short(out=str(tmp_path / "first"))
    train(config, progress=False)
    second = TrainConfig(
        init_from=str(tmp_path / "first"), out=str(tmp_path / "second"), device="cpu",
        steps=12, batch_size=8, lr=1e-3, log_every=4, save_every=5, label_dropout=0.1,
    )  # fmt: skip
    return second, tmp_path


def test_a_run_begins_from_the_averaged_weights_of_another(begun):
    config, place = begun
    trainer = Trainer(config)
    first = load(place / "first").state_dict()
    for model in (trainer.model, trainer.ema.model):
        assert all(value.equal(first[k]) for k, value in model.state_dict().items())
    assert (trainer.step, trainer.ema.updates, trainer.loader.seen) == (0, 0, 0)
    run = trainer.run(progress=False)
    assert run.metrics[-1]["step"] == 12
    assert not load(place / "second").embed.weight.equal(first["embed.weight"])


def test_a_run_that_began_from_another_resumes_without_it(begun, same_run):
    config, place = begun
    train(config, progress=False)
    stopped = dataclasses.replace(config, out=str(place / "third"))
    trainer = Trainer(stopped)
    real = trainer.train_step
    # in the middle of a step, after the save of step 5
    trainer.train_step = lambda: real() if trainer.step < 7 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        trainer.run(progress=False)
    shutil.rmtree(place / "first")
    train(stopped, resume=True, progress=False)
    same_run(place / "third", place / "second")


def test_a_shipped_model_can_be_begun_from():
    config = TrainConfig(init_from="digits", device="cpu", steps=1, batch_size=2)
    trainer = Trainer(config)
    assert trainer.model_config == load("digits").config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict(preset="S/2"), r"init_from=... is given together with preset='S/2'"),
        (dict(changes={"depth": 2}), r"changes=\{'depth': 2\}; give one or the other"),
        (dict(init_from=""), "init_from='' must be the name of a model"),
        (dict(init_from="nowhere"), "no model 'nowhere': .*; shipped models: cifar10"),
        (dict(label_dropout=0.0), "null_class=True of init_from='digits' and label"),
        (dict(init_from="cifar10"), "init_from='cifar10' has image_size=32, the data"),
    ],
    ids=str,
)
def test_a_beginning_that_does_not_fit_is_refused(change, said):
    base = dict(init_from="digits", device="cpu", steps=1, batch_size=2)
    with pytest.raises((ConfigError, FileNotFoundError, CheckpointError), match=said):
        Trainer(TrainConfig(**base | change))
