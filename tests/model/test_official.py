import pytest
import torch

import dit_lite
from dit_lite.model import time_features


def diffusers_model(learn_variance: bool, seed: int = 0):
    """diffusers' DiT with random weights everywhere, and set right where it departs
    from the released model.
    """
    from diffusers import DiTTransformer2DModel

    model = DiTTransformer2DModel(
        num_attention_heads=4, attention_head_dim=12, in_channels=3,
        out_channels=6 if learn_variance else 3, num_layers=3,
        sample_size=8, patch_size=2, num_embeds_ada_norm=5,
    ).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.1, generator=generator)
    # the released model embeds time and class once
    shared = model.transformer_blocks[0].norm1.emb
    for block in model.transformer_blocks:
        block.norm1.emb.load_state_dict(shared.state_dict())
        block.norm1.emb.timestep_embedder.load_state_dict(
            shared.timestep_embedder.state_dict()
        )
        block.norm1.emb.time_proj.downscale_freq_shift = 0
        block.norm3.eps = 1e-6
    return model


def released_layout(model) -> dict[str, torch.Tensor]:
    """The weights of diffusers' model under the names of the released checkpoints."""
    theirs = model.state_dict()
    names = {
        "x_embedder.proj": "pos_embed.proj",
        "t_embedder.mlp.0": "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1",
        "t_embedder.mlp.2": "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2",
        "final_layer.adaLN_modulation.1": "proj_out_1",
        "final_layer.linear": "proj_out_2",
    }
    for i in range(len(model.transformer_blocks)):
        ours, block = f"blocks.{i}", f"transformer_blocks.{i}"
        names |= {
            f"{ours}.attn.proj": f"{block}.attn1.to_out.0",
            f"{ours}.mlp.fc1": f"{block}.ff.net.0.proj",
            f"{ours}.mlp.fc2": f"{block}.ff.net.2",
            f"{ours}.adaLN_modulation.1": f"{block}.norm1.linear",
        }
    state = {
        f"{released}.{kind}": theirs[f"{name}.{kind}"]
        for released, name in names.items()
        for kind in ("weight", "bias")
    }
    for i in range(len(model.transformer_blocks)):
        for kind in ("weight", "bias"):
            state[f"blocks.{i}.attn.qkv.{kind}"] = torch.cat(
                [
                    theirs[f"transformer_blocks.{i}.attn1.to_{part}.{kind}"]
                    for part in "qkv"
                ]
            )
    state["y_embedder.embedding_table.weight"] = theirs[
        "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight"
    ]
    state["pos_embed"] = model.pos_embed.pos_embed
    return state


@pytest.fixture(scope="module")
def released():
    return released_layout(diffusers_model(learn_variance=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_checkpoint_that_lies_on_a_gpu_is_loaded(released):
    there = {name: value.cuda() for name, value in released.items()}
    expected = dit_lite.load_official(released, heads=4).state_dict()
    for name, value in dit_lite.load_official(there, heads=4).state_dict().items():
        assert torch.equal(value, expected[name])


@pytest.mark.parametrize("learn_variance", [False, True])
def test_a_released_checkpoint_gives_the_outputs_of_diffusers(learn_variance):
    reference = diffusers_model(learn_variance)
    model = dit_lite.load_official(released_layout(reference), heads=4)
    assert model.config.learn_variance == learn_variance
    assert (model.config.path, model.config.objective) == ("ddpm", "eps")
    step = torch.tensor([0, 1, 250, 500, 750, 999])
    # 5 is "no class"
    x, y = (
        torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)),
        torch.tensor([0, 1, 2, 3, 4, 5]),
    )
    with torch.no_grad():
        expected = reference(x, timestep=step, class_labels=y).sample
        found = model(x, step / 1000, y)
    assert expected.abs().mean() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_time_features_are_those_of_diffusers():
    from diffusers.models.embeddings import get_timestep_embedding

    step = torch.arange(1000)
    expected = get_timestep_embedding(
        step, 256, flip_sin_to_cos=True, downscale_freq_shift=0
    )
    torch.testing.assert_close(time_features(step / 1000), expected, rtol=0, atol=1e-4)


def test_the_prefix_of_data_parallel_and_half_precision_are_read(released):
    wrapped = {f"module.{name}": value.half() for name, value in released.items()}
    model = dit_lite.load_official(wrapped, heads=4)
    assert model.embed.weight.dtype == torch.float32
    torch.testing.assert_close(
        model.final.linear.weight,
        released["final_layer.linear.weight"],
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("hidden", [1, 95, 97, 333])
def test_any_width_of_the_mlp_is_read(released, hidden):
    state = dict(released)
    for i in range(3):
        state[f"blocks.{i}.mlp.fc1.weight"] = torch.zeros(hidden, 48)
        state[f"blocks.{i}.mlp.fc1.bias"] = torch.zeros(hidden)
        state[f"blocks.{i}.mlp.fc2.weight"] = torch.zeros(48, hidden)
    assert dit_lite.load_official(state, heads=4).config.hidden == hidden


def without(state, *names):
    return {name: value for name, value in state.items() if name not in names}


BROKEN = {
    "nothing": (lambda s: {}, ["lacks 'x_embedder.proj.bias'", "more names"]),
    "one missing": (
        lambda s: without(s, "final_layer.linear.bias"),
        ["lacks 'final_layer.linear.bias' of a released"],
    ),
    "missing in a later block": (
        lambda s: without(s, "blocks.1.attn.qkv.weight"),
        ["lacks 'blocks.1.attn.qkv.weight'"],
    ),
    "a whole block missing": (
        lambda s: {k: v for k, v in s.items() if not k.startswith("blocks.1.")},
        ["lacks 'blocks.1.attn.qkv.weight' and 9 more"],
    ),
    "foreign": (
        lambda s: s | {"clip.weight": torch.zeros(1)},
        ["'clip.weight'", "does not have"],
    ),
    "foreign in the blocks": (
        lambda s: s | {"blocks.last.weight": torch.zeros(1)},
        ["'blocks.last.weight'", "does not have"],
    ),
    "training checkpoint": (
        lambda s: {"model": s, "ema": s, "opt": {}, "args": None},
        ["lacks", "'ema' or 'model'"],
    ),
    "odd output": (
        lambda s: s | {"final_layer.linear.bias": torch.zeros(36)},
        ["9 channels", "3 of input"],
    ),
    "odd grid": (
        lambda s: s | {"pos_embed": torch.zeros(1, 15, 48)},
        ["pos_embed", "(1, 15, 48)", "square"],
    ),
    "other positions": (
        lambda s: s | {"pos_embed": torch.zeros(1, 16, 48)},
        ["pos_embed is not the sin-cos table"],
    ),
    "shapes that disagree": (
        lambda s: s | {"blocks.2.attn.proj.weight": torch.zeros(48, 47)},
        ["do not fit together", "blocks.2.attention.out.weight"],
    ),
    "a flat kernel": (
        lambda s: s | {"x_embedder.proj.weight": torch.zeros(48, 12)},
        ["x_embedder.proj.weight", "(48, 12)", "(D, C, P, P)"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_released_checkpoint_is_refused_by_name(released, name):
    change, said = BROKEN[name]
    with pytest.raises(ValueError) as error:
        dit_lite.load_official(change(released), heads=4)
    for words in said:
        assert words in str(error.value)


def test_a_file_name_is_no_state_dict():
    with pytest.raises(
        TypeError, match="state_dict is a str; pass the weights themselves"
    ):
        dit_lite.load_official("DiT-XL-2-256x256.pt")


def test_a_width_of_its_own_needs_its_heads(released):
    with pytest.raises(
        ValueError,
        match=r"width=48 is not one of the paper's \(384, 768, 1024, 1152\); pass heads",
    ):
        dit_lite.load_official(released)
    with pytest.raises(ValueError, match="heads=5 does not divide width=48"):
        dit_lite.load_official(released, heads=5)


def test_loading_leaves_the_global_generator_alone(released):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    dit_lite.load_official(released, heads=4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_names_that_wrappers_made_longer_are_read(prefix):
    state = released_layout(diffusers_model(False))
    wrapped = {prefix + name: value for name, value in state.items()}
    wrapped = {
        name.replace("blocks.1.", "blocks.1._orig_mod."): value
        for name, value in wrapped.items()
    }
    plain, found = (dit_lite.load_official(s, heads=4) for s in (state, wrapped))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, found.state_dict()[name])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_of_other_types_are_read(dtype):
    state = released_layout(diffusers_model(False))
    found = dit_lite.load_official(
        {name: value.to(dtype) for name, value in state.items()}, heads=4
    )
    expected = dit_lite.load_official(state, heads=4).state_dict()
    for name, value in found.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(
            value, expected[name].to(dtype).float(), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize(
    "name", ["pos_embed", "final_layer.linear.bias", "blocks.0.mlp.fc1.weight",
             "y_embedder.embedding_table.weight", "x_embedder.proj.weight",
             "blocks.1.attn.qkv.weight"],
)  # fmt: skip
@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(1.0),
        torch.zeros(0),
        torch.zeros(3, 5),
        torch.zeros(2, 2, 2, 2, 2),
        torch.tensor(float("nan")),
        torch.zeros(3, dtype=torch.int64),
        "text",
        None,
    ],
    ids=str,
)
def test_a_tensor_of_another_shape_or_type_is_refused_by_name(name, value):
    state = released_layout(diffusers_model(False))
    with pytest.raises((ValueError, TypeError)) as error:
        dit_lite.load_official(state | {name: value}, heads=4)
    assert "Error" not in type(error.value).__name__.replace("ValueError", "").replace(
        "TypeError", ""
    ).replace("ConfigError", "")
    assert len(str(error.value)) > 20
