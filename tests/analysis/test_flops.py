import copy
import dataclasses
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_models import combinations, configs
from torch.utils.checkpoint import checkpoint

import dit_lite
from dit_lite import ConfigError, DiT, DiTConfig, flops, preset
from dit_lite.analysis import Cost, cost_formulas, count_macs, saved_bytes
from dit_lite.analysis.cost_table import model_values, option_numbers
from dit_lite.config import CHOICES
from dit_lite.model import CONDITIONING, resize
from dit_lite.training.optim import make_muon

#: Gflops of 2212.09748, table 4 and figure 6 (they are multiply-adds): latents of
#: 32x32x4, 1,000 classes, learned variance.
PAPER = {
    "S/8": 0.36, "S/4": 1.41, "S/2": 6.06, "B/8": 1.42, "B/4": 5.56, "B/2": 23.01,
    "L/8": 5.01, "L/4": 19.70, "L/2": 80.71, "XL/8": 7.39, "XL/4": 29.05,
    "XL/2": 118.64,
}  # fmt: skip
LATENT = dict(learn_variance=True, path="ddpm", objective="eps")
#: Whether the norm of queries and keys lays its result out anew, as torch's one kernel
#: for it does. Without that (torch 2.6), heads come out in the order in which the next
#: layer reads them, and autograd keeps one copy less than the table counts.
NORM_COPIES = F.rms_norm(torch.ones(2, 3, 2, 4).transpose(1, 2), (4,)).is_contiguous()


def copies_heads(config: DiTConfig) -> bool:
    """Whether the result of fused attention behind a norm of queries and keys has to be
    copied, which holds for more than one head and token.
    """
    return config.qk_norm or config.conditioning in ("adaln_zero_cross", "joint")


@pytest.mark.parametrize("name", PAPER)
def test_the_twelve_models_of_the_paper(name):
    """Within 0.1 %, or equal to the two decimals that the table prints."""
    giga = flops(preset(name, **LATENT))["total"].macs / 1e9
    assert giga == pytest.approx(PAPER[name], rel=1e-3, abs=0.005)


@pytest.mark.parametrize(
    ("conditioning", "giga"),
    [
        ("in_context", 119.4),
        ("cross_attention", 137.6),
        ("adaln", 118.6),
        ("adaln_zero", 118.6),
    ],
)
def test_the_conditionings_of_the_paper(conditioning, giga):
    assert flops(preset("XL/2", conditioning=conditioning, **LATENT))[
        "total"
    ].macs / 1e9 == pytest.approx(giga, rel=1e-3)


def test_the_table_has_the_options_of_the_configuration():
    choices = cost_formulas()["choices"]
    for name in ("conditioning", "condition", "position", "attention", "mlp"):
        assert set(choices[name]) == set(CHOICES[name])
    assert all(
        choices["conditioning"][name]["affine"] == block.affine
        for name, block in CONDITIONING.items()
    )


def test_an_option_that_the_table_lacks_is_told_where_it_belongs():
    with pytest.raises(
        ConfigError,
        match=r"mlp='relu' has no entry in dit_lite/analysis/cost_formulas.json; "
        r'.* under "choices", "mlp"',
    ):
        option_numbers(cost_formulas(), {"mlp": "relu"})


@given(configs)
def test_parameters_are_those_of_the_module(config):
    with torch.device("meta"):
        model = DiT(config)
    assert flops(config)["total"].parameters == sum(
        p.numel() for p in model.parameters()
    )


def test_half_a_hidden_unit_is_rounded_as_in_the_module():
    for width, ratio in ((4, 0.625), (12, 0.625), (20, 1.025)):  # 2.5, 7.5, 20.5
        config = preset("digits", width=width, mlp_ratio=ratio)
        with torch.device("meta"):
            model = DiT(config)
        assert flops(config)["mlp"].parameters == sum(
            p.numel() for name, p in model.named_parameters() if ".mlp." in name
        )


def test_sizes_beyond_what_floats_hold_stay_exact():
    config, batch = preset("XL/2", image_size=2**7, patch_size=1), 2**20
    N, D, L = config.tokens, config.width, config.depth
    scores = flops(config, batch)["attention_scores"]
    assert scores.macs == batch * L * 2 * N**2 * D > 2**63


@given(configs)
def test_parameters_of_each_component_are_those_of_its_modules(config):
    with torch.device("meta"):
        model = DiT(config)

    def count(*names):
        return sum(
            p.numel()
            for name, p in model.named_parameters()
            if any(part in f".{name}" for part in names)
        )

    costs = flops(config)
    assert costs["patch_embedding"].parameters == count(".embed.")
    assert costs["position"].parameters == count(".position.")
    assert costs["time_embedding"].parameters == count(".condition.time.")
    assert costs[f"{config.condition}_embedding"].parameters == count(
        f".condition.{config.condition}."
    )
    assert costs["attention_projections"].parameters == count(
        ".attention.qkv.", ".attention.out."
    )
    assert costs["mlp"].parameters == count(".mlp.")
    assert costs["norm"].parameters == count(
        ".norm1.", ".norm2.", ".query_norm.", ".key_norm."
    )
    assert costs["final_layer"].parameters == count(".final.")


@settings(max_examples=12)
@given(configs, st.integers(1, 3))
def test_multiply_adds_are_those_that_torch_counts(config, batch):
    total = flops(config, batch, kernel="naive")["total"]
    counted = count_macs(config, batch)
    assert (total.macs, total.macs + total.backward_macs) == counted


def test_multiply_adds_of_real_fused_attention():
    for config in combinations():
        total = flops(config, 2)["total"]
        counted = count_macs(DiT(config), 2)
        assert (total.macs, total.macs + total.backward_macs) == counted


def test_two_streams_are_counted_exactly(batch):
    """Captions, features and labels; the last block, which is smaller, alone and after
    others.
    """
    kinds = [
        dict(), dict(condition="caption", vocab_size=5, caption_length=3),
        dict(condition="features", caption_length=2, feature_width=5),
    ]  # fmt: skip
    variants = [
        dict(), dict(position="rope", attention="local"), dict(qk_norm=True),
        dict(mlp="swiglu", qk_norm=True, position="rope"),
    ]  # fmt: skip
    for kind, variant, depth in itertools.product(kinds, variants, (1, 3)):
        config = DiTConfig(image_size=8, patch_size=2, width=16, depth=depth, heads=2,
                           num_classes=3, conditioning="joint", **kind, **variant)  # fmt: skip
        model, costs = DiT(config), flops(config, 3)["total"]
        assert costs.parameters == sum(p.numel() for p in model.parameters())
        assert (costs.macs, costs.macs + costs.backward_macs) == count_macs(model, 3)
        for kernel in ("flash", "naive") if NORM_COPIES else ("naive",):
            bytes_kept = flops(config, 3, kernel=kernel)["total"].activation_bytes
            assert bytes_kept == kept(model, batch(config, 3), kernel), config


CAPTION = dict(condition="caption", vocab_size=5)
FEATURES = dict(condition="features", feature_width=5)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        dict(CAPTION, global_share=share)
        for share in ("learned", "even", (0.0, 0.5, 1.0))
    ]
    + [
        dict(kind, token_scales=scales)
        for kind in (CAPTION, FEATURES)
        for scales in ((2,), (4,), (2, 3))
    ]
    + [dict(FEATURES, global_share="learned", token_scales=(3,))],
    ids=str,
)
def test_layers_and_scales_of_a_condition_are_counted_exactly(
    tiny, batch, changes, checkpointing
):
    config = tiny(conditioning="adaln_zero_cross", depth=3, caption_length=7, **changes)
    model = DiT(config)
    for kernel in ("flash", "naive") if NORM_COPIES else ("naive",):
        costs = flops(config, 3, kernel=kernel, checkpointing=checkpointing)["total"]
        assert costs.parameters == sum(p.numel() for p in model.parameters())
        assert costs.activation_bytes == kept(
            model, batch(config, 3), kernel, checkpointing
        )


def test_muon_and_the_table_agree_on_the_matrices_of_two_streams(tiny):
    config = tiny(conditioning="joint", depth=3)
    table = model_values(config)
    matrices = config.depth * table["block_matrices"] + table["once_matrices"]
    muon = make_muon(DiT(config), 1e-3, 0.0, 0.99).parts[1]
    assert matrices == sum(p.numel() for g in muon.param_groups for p in g["params"])
    assert table["token_macs"] < table["macs"]


def kept(model, inputs, kernel, checkpointing=False):
    """Bytes that autograd keeps of a real forward, and of the recomputation of one
    block.
    """
    model = copy.deepcopy(model).train()
    passes = []

    def recomputed(block):
        def forward(*args):
            passes.append((block, args))
            return checkpoint(block.plain, *args, use_reentrant=False)

        return forward

    def run():
        model(*inputs)
        if checkpointing:
            block, args = passes[-1]
            block.plain(*args)

    if checkpointing:
        for block in model.blocks:
            block.plain, block.forward = block.forward, recomputed(block)
    for block in model.blocks:
        block.attention.fused = kernel == "flash"
    return saved_bytes(run, model)


@pytest.mark.parametrize("kernel", ["flash", "naive"])
def test_activation_bytes_are_those_that_autograd_keeps(batch, kernel):
    for config in combinations():
        if NORM_COPIES or kernel == "naive" or not copies_heads(config):
            assert flops(config, 3, kernel=kernel)["total"].activation_bytes == kept(
                DiT(config), batch(config, 3), kernel
            ), config


@given(config=configs)
def test_activation_bytes_of_any_model(config, batch):
    # one head, or one token, needs no copy of its result
    copied = NORM_COPIES and min(config.heads, config.tokens) > 1
    assume(copied or not copies_heads(config))
    assert flops(config, 3)["total"].activation_bytes == kept(
        DiT(config), batch(config, 3), "flash"
    )


@pytest.mark.parametrize("kernel", ["flash", "naive"])
@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
def test_activation_bytes_with_checkpointing(tiny, batch, conditioning, kernel):
    config = tiny(conditioning=conditioning, depth=4)
    measured = kept(DiT(config), batch(config, 3), kernel, checkpointing=True)
    assert (
        flops(config, 3, kernel=kernel, checkpointing=True)["total"].activation_bytes
        == measured
    )


def test_a_resized_model_costs_what_its_new_grid_does(tiny, batch):
    for position in CHOICES["position"]:
        model = resize(DiT(tiny(position=position)), 16)
        costs = flops(model.config, 2)["total"]
        assert (
            costs.parameters
            == sum(p.numel() for p in model.parameters())
            == flops(tiny(position=position))["total"].parameters
        )
        assert costs.macs == count_macs(model, 2).forward
        assert costs.activation_bytes == kept(model, batch(model.config, 2), "flash")


@given(configs, st.integers(1, 5))
def test_the_total_is_the_sum_and_each_image_costs_the_same(config, batch):
    one, two, many = (flops(config, n) for n in (1, 2, batch))
    parts = [cost for name, cost in many.items() if name != "total"]
    assert many["total"] == sum(parts, Cost())
    assert many["total"].parameters == one["total"].parameters
    assert many["total"].macs == batch * one["total"].macs
    first, more = (c["total"].activation_bytes for c in (one, two))
    assert many["total"].activation_bytes == first + (batch - 1) * (more - first)
    if config.attention == "full":  # a mask is one for all images
        assert more == 2 * first
    assert many["total"].flops == 2 * many["total"].macs


def slope(patch):
    """d log(multiply-adds of the blocks) / d log P between P and 2P, at D = 384 and
    an image of 256.
    """
    cost = [
        flops(preset("S/2", image_size=256, patch_size=p, conditioning="additive"))
        for p in (patch, 2 * patch)
    ]
    blocks = [
        sum(
            c[name].macs
            for name in ("attention_projections", "attention_scores", "mlp")
        )
        for c in cost
    ]
    return math.log2(blocks[1] / blocks[0])


def test_multiply_adds_fall_with_the_square_of_the_patch_until_scores_rule():
    """N = (256/P)^2 tokens cost 12 N D^2 + 2 N^2 D: slope -2 while N << 6D = 2304,
    slope -4 when N >> 6D, and -3 between.
    """
    assert slope(32) == pytest.approx(-2, abs=0.1)
    assert slope(1) == pytest.approx(-4, abs=0.3)
    assert -3.3 < slope(4) < -2.5
    assert sorted(slope(p) for p in (1, 2, 4, 8, 16, 32)) == [
        slope(p) for p in (1, 2, 4, 8, 16, 32)
    ]


def test_scores_overtake_the_linear_maps_at_six_widths():
    D = 64
    # N = 576 = 9 D; equality is at N = 6 D
    config = preset("digits", width=D, image_size=2 * 24, patch_size=2)
    costs = flops(config)
    linear = costs["attention_projections"].macs + costs["mlp"].macs
    assert costs["attention_scores"].macs / linear == pytest.approx(
        config.tokens / (6 * D)
    )


def test_a_block_of_adaln_zero_is_12nd2_2n2d_6d2():
    config = preset("XL/2")
    N, D, L = config.tokens, config.width, config.depth
    costs = flops(config)
    blocks = sum(
        costs[name].macs
        for name in ("attention_projections", "attention_scores", "mlp", "conditioning")
    )
    assert blocks == L * (12 * N * D**2 + 2 * N**2 * D + 6 * D**2)


def test_memory_falls_from_naive_to_flash_to_checkpointed():
    config = preset("S/2", image_size=128)
    naive = flops(config, kernel="naive")["total"].activation_bytes
    flash = flops(config)["total"].activation_bytes
    less = flops(config, checkpointing=True)["total"].activation_bytes
    assert naive > 2 * flash > 10 * less
    N = config.tokens
    # flash keeps a log-sum a row instead
    growth = naive - flash + config.depth * N * config.heads * 4
    assert growth == config.depth * config.heads * N**2 * 4


def test_two_bytes_a_value_is_half_but_for_statistics():
    full, half = (
        flops(preset("S/2"), bytes_per_value=b)["total"].activation_bytes
        for b in (4, 2)
    )
    assert 0.5 < half / full < 0.505


def test_prints_as_a_table():
    text = str(flops(preset("digits")))
    assert text.splitlines()[0].split()[0] == "component"
    assert text.splitlines()[-1].startswith("total")
    assert len(text.splitlines()) == 12


def test_is_a_public_name():
    assert "flops" in dit_lite.__all__


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(batch=0), ["batch=0", "at least 1"]),
        (dict(batch=1.5), ["batch=1.5", "whole number"]),
        (dict(bytes_per_value=True), ["bytes_per_value=True"]),
        (dict(kernel="fast"), ["kernel='fast'", "flash, naive"]),
        (dict(config="S/2"), ["config='S/2'", "DiTConfig", "preset"]),
    ],
)
def test_wrong_arguments_are_named(change, words):
    with pytest.raises(ConfigError) as error:
        flops(**(dict(config=preset("digits")) | change))
    assert all(word in str(error.value) for word in words)


def test_costs_add_up_and_parameters_do_not_grow_with_the_batch():
    assert Cost(1, 2, 3, 4) + Cost(10, 20, 30, 40) == Cost(11, 22, 33, 44)
    assert Cost(1, 2, 3, 4).of_a_batch(2) == Cost(1, 4, 6, 8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Cost().macs = 1
