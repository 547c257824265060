import ast
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import dit_lite
from dit_lite import DiT
from dit_lite.config import CHOICES
from dit_lite.files.pretrained import origin_of, outline
from dit_lite.files.tensors import read_tensors, write_tensors
from dit_lite.files.writing import write
from dit_lite.training import CheckpointError, load, save_model, shipped

PACKAGE = Path(dit_lite.__file__).parent


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
        "different models: 'blocks.0.attention.key_norm.weight' is in only one of them"
        in said
    )
    assert "use the config.json saved with it" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(width=24), "has shape"),
        (dict(depth=3), "is in only one"),
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


# ---- files from strangers


@pytest.mark.parametrize(
    ("change", "said"),
    {
        "NaN": (
            lambda w: w * float("nan"),
            "is not finite: it contains NaN or infinity",
        ),
        "one infinity": (
            lambda w: w.clone().index_fill_(0, torch.tensor(2), float("inf")),
            "is not finite",
        ),
        "beyond float32": (lambda w: w.double() + 1e300, "is not finite"),
        "integers": (lambda w: w.int(), "has dtype torch.int32 instead of"),
        "bytes": (lambda w: w.byte(), "torch.uint8"),
        "booleans": (lambda w: w > 0, "torch.bool"),
        "complex": (lambda w: w.to(torch.complex64), "torch.complex64"),
    }.values(),
)
def test_weights_that_are_no_finite_floats_are_refused_by_name(saved, change, said):
    model, place = saved
    weights = model.state_dict()
    weights["embed.weight"] = change(weights["embed.weight"])
    save_file(weights, place / "model.safetensors")
    text = refusal(place)
    assert f"'embed.weight' in {place / 'model.safetensors'}" in text
    assert said in text


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_in_another_float_are_taken(saved, dtype):
    model, place = saved
    save_file(
        {name: value.to(dtype) for name, value in model.state_dict().items()},
        place / "model.safetensors",
    )
    again = load(place)
    assert again.embed.weight.dtype == torch.float32
    assert torch.equal(again.embed.weight, model.embed.weight.to(dtype).float())


@pytest.mark.parametrize(
    ("changes", "said"),
    {
        "width": (dict(width=2**40 + 4), "width=1099511627780 is too large"),
        "depth": (dict(depth=10**5), "depth=100000 is too large"),
        "classes": (dict(num_classes=10**9), "num_classes=1000000000 is too large"),
        "heads": (dict(width=2**16, heads=2**11), "heads=2048 is too large"),
        "channels": (dict(channels=10**9), "channels=1000000000 is too large"),
        "image": (dict(image_size=2**30), "image_size=1073741824 is too large"),
        "patch": (dict(image_size=2**20, patch_size=2**20), "is too large"),
        "extent": (dict(position_extent=10**12), "position_extent=1000000000000 is"),
        "tokens": (dict(image_size=2**14, patch_size=1), "268,435,456 tokens of width"),
        # all fields within their bounds, and 20 TB of weights
        "all at once": (
            dict(width=2**16, depth=2**6, heads=64, image_size=64),
            "different models",
        ),
        "learned places": (
            dict(image_size=2**12, patch_size=2, width=64, position="learned"),
            "different models",
        ),
        "classes again": (dict(num_classes=2**20), "different models"),
    }.values(),
)
def test_a_configuration_that_asks_for_too_much_takes_no_memory(
    saved, changes, said, monkeypatch
):
    _, place = saved
    config = json.loads((place / "config.json").read_text())
    config |= dict(class_names=[]) | changes
    (place / "config.json").write_text(json.dumps(config))
    largest = 0
    real = torch.nn.Parameter.__new__

    def made(cls, data=None, requires_grad=True):
        nonlocal largest
        if data is not None and data.device.type != "meta":
            largest = max(largest, data.numel())
        return real(cls, data, requires_grad)

    monkeypatch.setattr(torch.nn.Parameter, "__new__", made)
    assert said in refusal(place)
    assert largest == 0, "weights were made before the file was looked at"


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"patch_size": 1' + "0" * 5000 + "}", '{"patch_size": NaN}'],
    ids=["deep", "a long number", "NaN"],
)
def test_json_that_is_no_configuration_is_refused(saved, content):
    (saved[1] / "config.json").write_text(content)
    assert str(saved[1] / "config.json") in refusal(saved[1])


def test_a_folder_in_the_place_of_a_file_is_refused(saved):
    for name in ("model.safetensors", "config.json"):
        (saved[1] / name).unlink()
        (saved[1] / name).mkdir()
        assert name in refusal(saved[1])


def test_the_shapes_of_every_kind_of_model_are_known_without_making_it(tiny):
    for changes in (
        *(dict(conditioning=name) for name in CHOICES["conditioning"]),
        *(dict(position=name, width=32) for name in CHOICES["position"]),
        dict(qk_norm=True, mlp="swiglu", long_skips=True, null_class=False),
        dict(path="ddpm", objective="eps", learn_variance=True),
    ):
        config = tiny(**changes)
        own, known = DiT(config).state_dict(), outline(DiT, config)
        assert list(known) == list(own)
        for name, value in own.items():
            assert known[name].shape == value.shape
            assert known[name].is_meta


# ---- wrapped and compiled models


class Wrapped(torch.nn.Module):
    """As DistributedDataParallel keeps a model."""

    def __init__(self, module):
        super().__init__()
        self.module = module


def compiled_blocks(model):
    model.blocks[0] = torch.compile(model.blocks[0])
    return model


@pytest.mark.parametrize(
    "wrap",
    {
        "compiled": torch.compile,
        "wrapped": Wrapped,
        "both": lambda model: Wrapped(torch.compile(model)),
        "blocks": compiled_blocks,
    }.values(),
)
def test_a_wrapped_model_is_saved_under_clean_names(alive, tmp_path, wrap):
    model = alive()
    names = list(model.state_dict())
    wrapped = wrap(alive())
    save_model(wrapped, tmp_path / "model")
    saved, _ = read_tensors(tmp_path / "model" / "model.safetensors")
    assert sorted(saved) == sorted(names)
    again = load(tmp_path / "model")
    assert all(
        torch.equal(value, again.state_dict()[name])
        for name, value in model.state_dict().items()
    )


def test_weights_that_were_saved_under_the_names_of_a_wrapper_are_read(saved):
    model, place = saved
    save_file(
        {f"module._orig_mod.{k}": v for k, v in model.state_dict().items()},
        place / "model.safetensors",
    )
    assert torch.equal(load(place).embed.weight, model.embed.weight)


# ---- the layout of the weights


def thirds(state: dict, heads: int) -> dict:
    """Weights as files held them before they had a layout: queries, keys, values."""
    old = {}
    for name, value in state.items():
        parts = {"qkv": 3, "key_value": 2}.get(name.rsplit(".", 2)[-2:][0])
        if parts and value.ndim:
            value = value.unflatten(0, (heads, parts, -1)).transpose(0, 1).flatten(0, 2)
        old[name] = value.contiguous()
    return old


@pytest.mark.parametrize("conditioning", ["adaln_zero", "cross_attention"])
def test_a_file_of_before_layouts_is_read(alive, batch, tmp_path, conditioning):
    model = alive(conditioning=conditioning)
    model.save_pretrained(tmp_path)
    save_file(thirds(model.state_dict(), 2), tmp_path / "model.safetensors")
    again = DiT.from_pretrained(tmp_path)
    assert torch.equal(again(*batch(model.config)), model(*batch(model.config)))


def test_a_saved_model_of_captions_is_read_as_it_was(alive, batch, tmp_path):
    model = alive(condition="caption", vocab_size=9, caption_length=4)
    model.save_pretrained(tmp_path)
    again = DiT.from_pretrained(tmp_path)
    assert again.config == model.config
    assert torch.equal(again(*batch(model.config)), model(*batch(model.config)))


def test_a_file_of_a_later_layout_is_refused(alive, tmp_path):
    model = alive()
    model.save_pretrained(tmp_path)
    write_tensors(tmp_path / "model.safetensors", model.state_dict(), {"layout": "99"})
    with pytest.raises(CheckpointError, match=r"model.safetensors.*layout 99.*update"):
        DiT.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["digits", "cifar10", "imagenet64", "shapes"])
def test_shipped_models_are_in_the_layout_of_today(name):
    place = PACKAGE.parent / "data" / "checkpoints" / name
    _, about = read_tensors(place / "model.safetensors")
    assert about["layout"] == DiT.layout
    assert json.loads(about["origin"])["data"] == name


def test_no_module_imports_itself_through_others():
    """Not even inside a function: of any two rooms one is below the other."""
    files = {
        ".".join(("dit_lite", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    imports = {}
    for name, path in files.items():
        imports[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                room = name.split(".")[: -node.level]
                target = ".".join([*room, *(node.module or "").split(".")]).strip(".")
                imports[name] |= {target, *(f"{target}.{a.name}" for a in node.names)}
    imports = {name: found & files.keys() for name, found in imports.items()}
    while leaves := [name for name, found in imports.items() if not found]:
        for leaf in leaves:
            del imports[leaf]
        imports = {name: found - set(leaves) for name, found in imports.items()}
    assert not imports
