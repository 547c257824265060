import ast
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import dit_lite
from dit_lite import DiT, TrainConfig, train
from dit_lite.pretrained import CheckpointError, read_tensors, write_tensors
from dit_lite.training import Trainer

PACKAGE = Path(dit_lite.__file__).parent


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


def test_a_saved_model_is_read_as_it_was(alive, batch, tmp_path):
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


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_run_of_before_layouts_goes_on_bit_for_bit(tmp_path, optimiser):
    def config(out):
        return TrainConfig(device="cpu", steps=6, batch_size=8, out=str(tmp_path / out),
                           changes=dict(width=16, depth=2), optimiser=optimiser)  # fmt: skip

    whole = train(config("whole"), progress=False)
    trainer = Trainer(config("part"))
    for _ in range(3):
        trainer.train_step()
    trainer.save()
    file = tmp_path / "part" / "state.safetensors"
    tensors, about = read_tensors(file)
    del about["layout"], about["format"]
    write_tensors(file, thirds(tensors, 4), about)
    again = train(config("part"), resume=True, progress=False)
    for ours, theirs in zip(
        again.model.parameters(), whole.model.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["digits", "cifar10", "imagenet64"])
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
