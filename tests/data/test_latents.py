"""A folder of latents against the autoencoder of diffusers itself: a tiny one with
random weights, made here.
"""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

import dit_lite
from dit_lite import TrainConfig
from dit_lite.autoencoder import PAPER_SCALE, Autoencoder
from dit_lite.cli import main
from dit_lite.data import DataError, load_data
from dit_lite.data.latents import encode
from dit_lite.diffusion import to_model_units
from dit_lite.files.tensors import read_tensors, write_tensors
from dit_lite.training import Trainer

SCALE, SHIFT = 0.5, 0.125


def tiny(scale=SCALE, shift=SHIFT, channels=3):
    """Halves the side of an image, and gives four channels."""
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(
        in_channels=channels, out_channels=channels, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(8, 8),
        layers_per_block=1, norm_num_groups=4, scaling_factor=scale,
        shift_factor=shift,
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The directory of a tiny autoencoder."""
    place = tmp_path_factory.mktemp("vae") / "tiny"
    tiny().save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes of pictures, 7 and 4 of them."""
    root, rng = tmp_path_factory.mktemp("pictures") / "pets", np.random.default_rng(0)
    for name, count in (("cat", 7), ("dog", 4)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def folder(network, pictures, tmp_path_factory):
    """The latents of the pictures, five in a file."""
    out = tmp_path_factory.mktemp("latents") / "pets"
    encode(load_data(str(pictures), image_size=16), Autoencoder(network), out, 3, 5)
    return out


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A model of a few steps on the latents."""
    out = tmp_path_factory.mktemp("runs") / "run"
    small = ["--width", "16", "--depth", "1", "--heads", "2", "--batch-size", "4"]
    assert main(["train", str(folder), "--steps", "2", *small, "--out", str(out)]) == 0
    return out


def test_latents_are_the_means_of_the_autoencoder_in_the_order_of_the_pictures(
    folder, network, pictures
):
    from diffusers import AutoencoderKL

    images = load_data(str(pictures), image_size=16)
    with torch.no_grad():
        theirs = AutoencoderKL.from_pretrained(network).encode(images.floats())
    found = load_data(str(folder))
    assert len(list(folder.iterdir())) == 3
    assert found.images.shape == (11, 4, 8, 8)
    torch.testing.assert_close(
        found.floats(), theirs.latent_dist.mean, rtol=1e-3, atol=1e-3
    )
    assert found.class_names == ("cat", "dog")
    assert (found.labels == images.labels).all()
    order = [10, 0, 5, 4]
    assert (found.images[np.array(order)] == found.images[:][order]).all()


def test_a_model_sees_them_shifted_and_scaled_as_diffusers_says(folder):
    trainer = Trainer(TrainConfig(data=str(folder), batch_size=11, preset="S/2"))
    z, _ = trainer.loader.next(trainer.generator)
    raw = load_data(str(folder)).floats()
    seen = to_model_units(z, trainer.model_config)
    assert seen.sum() == pytest.approx(((raw - SHIFT) * SCALE).sum().item(), abs=1e-2)
    assert z.flatten(1).sum(1).sort()[0] == pytest.approx(
        raw.flatten(1).sum(1).sort()[0], abs=1e-4
    )


def test_a_run_on_latents_goes_on_bit_for_bit(folder, tmp_path):
    options = dict(
        data=str(folder), batch_size=4, changes=dict(width=16, depth=1, heads=2),
        schedule="constant", warmup=0, save_every=2,
    )  # fmt: skip
    whole = dit_lite.train(TrainConfig(steps=4, **options), progress=False)
    parted = dict(options, out=str(tmp_path / "run"))
    dit_lite.train(TrainConfig(steps=2, **parted), progress=False)
    again = dit_lite.train(TrainConfig(steps=4, **parted), True, progress=False)
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_sampling_decodes_to_a_picture_of_the_autoencoders_size(run, network, tmp_path):
    from diffusers import AutoencoderKL

    out = tmp_path / "grid.png"
    command = ["sample", "--checkpoint", str(run), "--count", "1", "--steps", "2"]
    assert main([*command, "--guidance", "1", "--label", "dog", "--out", str(out)]) == 0
    drawn = dit_lite.sample(dit_lite.load(run), [1], steps=2, guidance=1)
    with torch.no_grad():
        theirs = AutoencoderKL.from_pretrained(network).decode(drawn).sample
    expected = ((theirs[0].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)
    # a frame of a pixel, and each pixel shown as 4 x 4
    shown = np.asarray(Image.open(out))[4:-4:4, 4:-4:4]
    assert shown.shape == (16, 16, 3)
    assert np.abs(shown - expected.numpy()).max() <= 1


def test_a_film_of_sampling_is_decoded_too(run, tmp_path):
    out = tmp_path / "walk.gif"
    command = ["sample", "--checkpoint", str(run), "--count", "1", "--steps", "2"]
    assert main([*command, "--guidance", "1", "--label", "dog", "--out", str(out)]) == 0
    with Image.open(out) as film:
        assert film.n_frames >= 3
        assert film.size == ((16 + 2) * 4, (16 + 2) * 4)


def test_samples_of_latents_are_not_clipped(run):
    model = dit_lite.load(run)
    with torch.no_grad():
        model.final.linear.bias += 3
    drawn = dit_lite.sample(model, [0, 1], steps=3, guidance=1)
    assert drawn.abs().max() > 2


def test_a_released_model_is_fine_tuned_on_latents(pictures, tmp_path):
    """As a user would: the weights of a released checkpoint, its autoencoder under
    another name, and classes of one's own in the number of the checkpoint's.
    """
    sys.path.insert(0, "tests/model")
    from diffusers import DiTTransformer2DModel
    from test_official import released_layout

    theirs = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=8,
        num_layers=2, sample_size=8, patch_size=2, num_embeds_ada_norm=2,
    )  # fmt: skip
    released = dit_lite.load_official(released_layout(theirs), heads=2)
    assert released.config.autoencoder == "stabilityai/sd-vae-ft-ema"
    released.save_pretrained(tmp_path / "released")
    tiny(PAPER_SCALE, None).save_pretrained(tmp_path / "vae")
    vae = Autoencoder(tmp_path / "vae")
    encode(load_data(str(pictures), image_size=16), vae, tmp_path / "z")
    config = TrainConfig(
        data=str(tmp_path / "z"), init_from=str(tmp_path / "released"), steps=3,
        batch_size=4, lr=1e-3, warmup=0, times="uniform", ema_decay=0.0,
    )  # fmt: skip
    tuned = dit_lite.train(config, progress=False).model
    assert tuned.config.autoencoder == str(tmp_path / "vae")
    assert tuned.config.learn_variance
    for name, value in tuned.named_parameters():
        before = released.get_parameter(name)
        assert value.shape == before.shape
        if name.endswith("qkv.weight"):
            assert 0 < (value - before).abs().max() < 0.1


def test_the_command_writes_what_the_function_writes(
    network, pictures, folder, tmp_path, capsys
):
    out = tmp_path / "z"
    command = ["data", "encode", str(pictures), "--image-size", "16"]
    assert main([*command, "--autoencoder", str(network), "--out", str(out)]) == 0
    assert "11 latents of 8x8x4" in capsys.readouterr().out
    found, before = load_data(str(out)), load_data(str(folder))
    np.testing.assert_allclose(found.images[:], before.images[:], atol=2e-3)


def damaged(folder):
    file = folder / "latents-00001.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def of_another_autoencoder(folder):
    file = folder / "latents-00001.safetensors"
    tensors, notes = read_tensors(file)
    notes["about"] = notes["about"].replace(f'"scale": {SCALE}', '"scale": 0.25')
    write_tensors(file, tensors, {"about": notes["about"]})


def without_notes(folder):
    file = folder / "latents-00002.safetensors"
    write_tensors(file, read_tensors(file)[0])


def with_a_label_too_many(folder):
    file = folder / "latents-00002.safetensors"
    tensors, notes = read_tensors(file)
    tensors["labels"][0] = 2
    write_tensors(file, tensors, {"about": notes["about"]})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damaged, "latents-00001.safetensors cannot be read as latents .*checksum"),
        (of_another_autoencoder, "hold different latents"),
        (without_notes, "latents-00002.safetensors cannot be read as latents"),
        (with_a_label_too_many, "labels up to 2 for 1 latents of 2 classes"),
    ],
)
def test_a_folder_that_was_changed_is_refused_by_the_name_of_its_file(
    folder, tmp_path, harm, message
):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    harm(tmp_path)
    with pytest.raises(DataError, match=message):
        load_data(str(tmp_path))


def test_what_cannot_be_encoded_is_refused(network, pictures, folder, tmp_path):
    data, vae = load_data(str(pictures), image_size=16), Autoencoder(network)
    with pytest.raises(DataError, match="is not empty; choose another folder"):
        encode(data, vae, folder)
    with pytest.raises(DataError, match="has images of 1 channels"):
        encode(load_data("digits"), vae, tmp_path / "digits")
    with pytest.raises(DataError, match="shapes has captions"):
        encode(load_data("shapes"), vae, tmp_path / "shapes")
    assert not any(tmp_path.iterdir())


def test_wrong_use_of_encode_is_one_line(
    network, pictures, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    flags = {"--autoencoder": str(network), "--out": str(tmp_path / "z")}
    for flag, value, message in (
        ("--out", None, "data encode needs --out DIR"),
        ("--autoencoder", None, "data encode needs --autoencoder NAME_OR_DIR"),
        ("--autoencoder", str(tmp_path), "no autoencoder"),
        ("--batch-size", "0", "--batch-size 0 is too small"),
    ):
        given = {k: v for k, v in (flags | {flag: value}).items() if v}
        command = [
            "data",
            "encode",
            str(pictures),
            *(x for kv in given.items() for x in kv),
        ]
        assert main(command) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_a_model_whose_autoencoder_is_gone_says_how_to_go_on(run, tmp_path, capsys):
    import json

    for file in run.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["autoencoder"] = str(tmp_path / "gone")
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "gone").mkdir()
    assert main(["sample", "--checkpoint", str(tmp_path), "--out", "x.png"]) == 2
    error = capsys.readouterr().err
    assert "this model draws latents" in error
    assert "--autoencoder NAME_OR_DIR" in error


def test_a_model_of_pixels_takes_no_autoencoder(network, tmp_path, capsys):
    command = ["sample", "--checkpoint", "digits", "--autoencoder", str(network)]
    assert main([*command, "--out", str(tmp_path / "x.png")]) == 2
    assert "this one draws pixels" in capsys.readouterr().err


def test_without_diffusers_the_extra_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'dit-lite\[latents\]'"):
        Autoencoder(network)


def test_scores_and_edits_of_latents_are_refused(run):
    from dit_lite.diffusion import edit
    from dit_lite.evaluation import evaluate_model

    model = dit_lite.load(run)
    with pytest.raises(ValueError, match="scores need images"):
        evaluate_model(model, "digits")
    with pytest.raises(ValueError, match="edited in pixels"):
        edit(model, torch.zeros(1, 4, 8, 8), [0])
