import json

import pytest
import torch
from safetensors.torch import save_file

import dit_lite
from dit_lite import DiT
from dit_lite.training import CheckpointError, load, save_model, shipped
from dit_lite.training.checkpoint import origin_of, read_tensors, write, write_tensors


@pytest.fixture
def saved(tmp_path, alive):
    """A model and the directory it was saved in."""
    model = alive(position="learned", qk_norm=True, class_names=("a", "b", "c"))
    model.save_pretrained(tmp_path / "model")
    return model, tmp_path / "model"


def test_a_saved_model_comes_back_the_same(saved, batch):
    model, place = saved
    x, t, y = batch(model.config)
    for again in (DiT.from_pretrained(place), load(str(place)), dit_lite.load(place)):
        assert again.config == model.config
        assert not again.training
        assert all(
            torch.equal(a, b)
            for a, b in zip(
                again.state_dict().values(), model.state_dict().values(), strict=True
            )
        )
        assert torch.equal(again(x, t, y), model(x, t, y))


def test_a_directory_holds_json_and_safetensors_and_nothing_else(saved):
    model, place = saved
    assert sorted(file.name for file in place.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert json.loads((place / "config.json").read_text()) == model.config.to_dict()


def test_weights_that_do_not_say_where_they_come_from(saved, tmp_path, alive):
    assert origin_of(saved[1]) is None
    write_tensors(
        tmp_path / "model.safetensors",
        alive().state_dict(),
        {"origin": '{"data": "digits", "epochs": 3}'},
    )
    assert origin_of(tmp_path) is None


def test_loading_leaves_the_global_generator_alone(saved):
    before = torch.get_rng_state()
    load(saved[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_is_made_on_the_cpu_and_then_moved(saved):
    before = torch.get_rng_state()
    assert {
        value.device.type for value in load(saved[1], "meta").state_dict().values()
    } == {"meta"}
    assert torch.equal(torch.get_rng_state(), before)


def test_every_shipped_model_loads_by_name(batch):
    assert shipped()
    for name in shipped():
        model = dit_lite.load(name)
        assert model(*batch(model.config)).isfinite().all()


def refusal(place, kind=CheckpointError) -> str:
    with pytest.raises(kind) as error:
        load(place)
    return str(error.value)


def test_a_model_that_is_not_there(tmp_path):
    for name in ("no-such-model", str(tmp_path / "nowhere")):
        said = refusal(name, FileNotFoundError)
        assert f"no model {name!r}" in said
        assert "shipped models: " + ", ".join(shipped()) in said
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty' / 'config.json'} is missing" in refusal(
        tmp_path / "empty", FileNotFoundError
    )


def test_weights_that_are_not_there(saved):
    (saved[1] / "model.safetensors").unlink()
    assert "model.safetensors is missing" in refusal(saved[1], FileNotFoundError)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights(saved, keep):
    file = saved[1] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    assert f"{file} is truncated or not a safetensors file" in refusal(saved[1])


def test_a_pickle_is_not_read(saved):
    torch.save(saved[0].state_dict(), saved[1] / "model.safetensors")
    assert "not a safetensors file" in refusal(saved[1])


def test_weights_of_something_else(saved):
    save_file({"clip.weight": torch.zeros(2)}, saved[1] / "model.safetensors")
    said = refusal(saved[1])
    assert (
        "different models: 'blocks.0.attention.key_norm.weight' is only in one of them"
        in said
    )
    assert "use the config.json saved with it" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(width=24), "has shape"),
        (dict(depth=3), "is only in one"),
        (dict(num_classes=5), "has shape"),
    ],
)
def test_the_configuration_of_another_model(saved, tiny, changes, said):
    config = tiny(**dict(position="learned", qk_norm=True) | changes)
    (saved[1] / "config.json").write_text(json.dumps(config.to_dict()))
    text = refusal(saved[1])
    assert "different models" in text
    assert said in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ('{"image_size": 8', "is not JSON"),
        ("[]", "does not describe a DiT of this package"),
        (
            '{"_class_name": "DiTTransformer2DModel", "sample_size": 32}',
            "does not describe a DiT of this package",
        ),
        ('{"patch_size": 3}', "patch_size=3 does not divide image_size=8"),
        ('{"patch_size": 2, "colour": 3}', "unknown field(s) colour"),
        ('{"patch_size": "2"}', "patch_size='2' must be a whole number"),
        ('{"patch_size": 2, "class_names": null}', "class_names=None"),
    ],
)
def test_a_configuration_that_cannot_be_read(saved, content, said):
    (saved[1] / "config.json").write_text(content)
    text = refusal(saved[1])
    assert said in text
    assert str(saved[1] / "config.json") in text


def test_a_file_is_replaced_whole_and_leaves_no_part(tmp_path):
    write(tmp_path / "new" / "file", b"one")
    write(tmp_path / "new" / "file", b"two")
    assert (tmp_path / "new" / "file").read_bytes() == b"two"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_tensors_and_notes_come_back(tmp_path):
    tensors = {
        "a": torch.randn(3, 2).T,
        "b": torch.arange(3, dtype=torch.uint8),
        "c": torch.tensor(2.5),
    }
    write_tensors(tmp_path / "file", tensors, {"note": "ü"})
    again, about = read_tensors(tmp_path / "file")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert about["note"] == "ü"


def test_what_cannot_be_written_is_said(tmp_path, alive):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "config.json").mkdir(parents=True)
    with pytest.raises(
        CheckpointError,
        match=r"cannot write .*/file/model/model\.safetensors.*nothing was left behind",
    ):
        save_model(alive(), tmp_path / "file" / "model")
    with pytest.raises(CheckpointError, match=r"cannot write .*/folder/config\.json"):
        save_model(alive(), tmp_path / "folder")
    assert not list((tmp_path / "folder").glob(".*.part"))
