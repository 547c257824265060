import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from dit_lite.config import (
    CHOICES,
    CPU_RECIPES,
    PRESETS,
    RECIPES,
    ConfigError,
    DiTConfig,
    TrainConfig,
    choose,
    preset,
)
from dit_lite.diffusion import OBJECTIVES, PATHS, SAMPLERS, TIMES
from dit_lite.evaluation import EXTRACTORS
from dit_lite.model import ATTENTION, CONDITIONING, CONDITIONS, MLPS, POSITIONS
from dit_lite.training import OPTIMISERS, SCHEDULES
from dit_lite.training.memory import CHECKPOINTING

REGISTRIES = {
    "condition": CONDITIONS,
    "conditioning": CONDITIONING,
    "attention": ATTENTION,
    "mlp": MLPS,
    "position": POSITIONS,
    "path": PATHS,
    "objective": OBJECTIVES,
    "times": TIMES,
    "schedule": SCHEDULES,
    "optimiser": OPTIMISERS,
    "checkpointing": CHECKPOINTING,
    "sampler": SAMPLERS,
    "extractor": EXTRACTORS,
}


def test_registries_hold_exactly_the_choices():
    assert {name: set(registry) for name, registry in REGISTRIES.items()} == {
        k: set(v)
        for k, v in CHOICES.items()
        if k not in ("precision", "budget", "preset", "global_share")
    }


BASE = dict(image_size=8, patch_size=2, width=96, heads=4, num_classes=10)
WRONG_MODELS = [
    (dict(patch_size=3), ["patch_size=3", "image_size=8", "[1, 2, 4, 8]"]),
    (dict(patch_size=16), ["patch_size=16", "image_size=8"]),
    (dict(heads=5), ["heads=5", "width=96", "[1, 2, 3, 4, 6"]),
    *(
        (dict([(name, 0)]), [f"{name}=0", "at least 1"])
        for name in (
            "image_size",
            "channels",
            "patch_size",
            "width",
            "depth",
            "heads",
            "num_classes",
        )
    ),
    (dict(width=-96), ["width=-96", "at least 1"]),
    (dict(depth=2.0), ["depth=2.0", "whole number", "float"]),
    (dict(depth="4"), ["depth='4'", "whole number", "str"]),
    (dict(depth=True), ["depth=True", "whole number", "bool"]),
    (dict(depth=None), ["depth=None", "whole number"]),
    (dict(position_extent=0), ["position_extent=0", "at least 1"]),
    (dict(qk_norm=1), ["qk_norm=1", "True or False"]),
    (dict(long_skips="all"), ["long_skips='all'", "True or False"]),
    (
        dict(width=4, heads=1, mlp_ratio=0.15, mlp="swiglu"),
        ["mlp_ratio=0.15", "width=4"],
    ),
    (dict(null_class="yes"), ["null_class='yes'", "True or False"]),
    (dict(learn_variance=None), ["learn_variance=None", "True or False"]),
    (dict(mlp_ratio=0), ["mlp_ratio=0", "(0, 64]"]),
    (dict(mlp_ratio=math.inf), ["mlp_ratio=inf", "(0, 64]"]),
    (dict(mlp_ratio="4"), ["mlp_ratio='4'", "number", "str"]),
    (dict(mlp_ratio=1e-9), ["mlp_ratio=1e-09", "width=96"]),
    (dict(data_std=0.0), ["data_std=0.0", "(0, 10]"]),
    (dict(data_mean=math.nan), ["data_mean=nan", "[-1, 1]"]),
    *(
        (dict([(name, "foo")]), [f"{name}='foo'", *CHOICES[name]])
        for name in (
            "mlp",
            "conditioning",
            "attention",
            "position",
            "path",
            "objective",
        )
    ),
    (dict(conditioning=["adaln"]), ["conditioning=['adaln']", "adaln_zero"]),
    (dict(mlp_ratio=10**400), ["mlp_ratio=1000", "out of range", "(0, 64]"]),
    (dict(width=6, heads=1), ["width=6", "multiple of 4", "sincos"]),
    (
        dict(width=24, heads=4, position="rope"),
        ["head width 6", "width=24", "heads=4", "multiple of 4", "rope"],
    ),
    (dict(attention=["full"]), ["attention has 1 names", "depth=4", "one per layer"]),
    (dict(attention=["full"] * 3 + ["fall"]), ["attention='fall'", "local"]),
    (dict(attention=3), ["attention=3", "full"]),
    (dict(attention_window=4), ["attention_window=4", "odd", "5"]),
    (dict(condition="caption"), ["vocab_size=None", "'caption'"]),
    (
        dict(condition="caption", vocab_size=50),
        ["caption_length=None", "caption and features"],
    ),
    (dict(vocab_size=50), ["vocab_size=50", "'label'", "needed for caption"]),
    (dict(condition="features"), ["caption_length=None", "'features'"]),
    (
        dict(condition="caption", vocab_size=1, caption_length=2),
        ["vocab_size=1", "at least 2"],
    ),
    (
        dict(
            condition="caption",
            vocab_size=9,
            caption_length=3,
            caption_parts=("class", "words"),
        ),
        ["caption_parts has 2 names", "caption_length=3", "one per token"],
    ),
    (
        dict(
            condition="caption",
            vocab_size=9,
            caption_length=3,
            caption_parts=("words", "class", "words"),
        ),
        ["caption_parts=('words', 'class', 'words')", "next to each other"],
    ),
    (dict(caption_parts=("a",)), ["caption_parts has 1 names", "'label'"]),
    (dict(token_scales=(2,)), ["token_scales=(2,)", "'label'", "one token"]),
    (dict(token_scales=2), ["token_scales=2", "tuple of whole numbers"]),
    (
        dict(condition="caption", vocab_size=9, caption_length=3, token_scales=(1, 2)),
        ["token_scales[0]=1", "at least 2"],
    ),
    (dict(token_scales=(2, 2)), ["token_scales=(2, 2)", "twice"]),
    (dict(global_share="early"), ["global_share='early'", "adaln_zero_cross"]),
    (
        dict(conditioning="adaln_zero_cross", global_share=[0.5]),
        ["global_share has 1 numbers", "depth=4", "one per layer"],
    ),
    (
        dict(conditioning="adaln_zero_cross", global_share=[0, 0.5, 1, 1.5]),
        ["global_share[3]=1.5", "[0, 1]"],
    ),
    (
        dict(conditioning="adaln_zero_cross", global_share="first"),
        ["global_share='first'", "early", "learned"],
    ),
    (dict(caption_parts="class"), ["caption_parts='class'", "tuple of names"]),
    (
        dict(learn_variance=True),
        ["learn_variance=True", "path='ddpm'", "objective='eps'", "'linear'", "'flow'"],
    ),
    (
        dict(learn_variance=True, path="ddpm", objective="v"),
        ["learn_variance=True", "objective='eps'", "'v'"],
    ),
    (dict(class_names=("a", "b")), ["class_names", "2 names", "num_classes=10"]),
    (dict(class_names="0123456789"), ["class_names='0123456789'", "names"]),
    (dict(class_names=None), ["class_names=None", "names"]),
]


@pytest.mark.parametrize(
    ("changes", "said"),
    WRONG_MODELS,
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_model_is_refused_with_field_value_and_way_out(changes, said):
    with pytest.raises(ConfigError) as error:
        DiTConfig(**BASE | changes)
    for words in said:
        assert words in str(error.value)


WRONG_RUNS = [
    (dict(budget="smoke"), ["budget='smoke'", "gpu, cpu"]),
    (dict(data=""), ["data=''", "folder"]),
    (dict(data=3), ["data=3", "folder"]),
    (dict(out=3), ["out=3", "directory"]),
    (dict(preset="M/2"), ["preset='M/2'", "digits", "S/2", "XL/8"]),
    (dict(preset=["S/2"]), ["preset=['S/2']", "digits"]),
    (dict(model="S/2"), ["model='S/2'", "DiTConfig", "preset"]),
    (dict(model=DiTConfig(), preset="S/2"), ["preset='S/2'", "give one"]),
    (dict(model=DiTConfig(), changes={"depth": 2}), ["{'depth': 2}", "give one"]),
    (dict(changes={"colour": 3}), ["'colour'", "width"]),
    (dict(changes="width=3"), ["changes='width=3'", "dict"]),
    *(
        (dict([(name, 0)]), [f"{name}=0", "at least 1"])
        for name in ("steps", "batch_size", "log_every")
    ),
    *(
        (dict([(name, -1)]), [f"{name}=-1", "at least 0"])
        for name in ("warmup", "seed", "save_every")
    ),
    (dict(steps=20, warmup=21), ["warmup=21", "steps=20", "at most 20"]),
    (dict(steps=1e3), ["steps=1000.0", "whole number", "float"]),
    (dict(batch_size=True), ["batch_size=True", "whole number", "bool"]),
    (dict(seed=2**63), [f"seed={2**63}", "too large"]),
    *(
        (dict([(name, "foo")]), [f"{name}='foo'", *CHOICES[name]])
        for name in ("schedule", "times", "precision")
    ),
    *(
        (dict([(name, 0)]), [f"{name}=0", "out of range"])
        for name in ("lr", "beta2", "clip")
    ),
    *(
        (dict([(name, 1)]), [f"{name}=1", "out of range"])
        for name in ("beta2", "ema_decay", "label_dropout")
    ),
    (dict(lr=math.nan), ["lr=nan", "(0, 10]"]),
    (dict(lr="1e-3"), ["lr='1e-3'", "number", "str"]),
    (dict(weight_decay=-0.1), ["weight_decay=-0.1", "[0, 1]"]),
    (dict(label_dropout=-0.1), ["label_dropout=-0.1", "[0, 1)"]),
    (dict(image_size=0), ["image_size=0", "at least 1"]),
    (dict(device=0), ["device=0", "cpu"]),
    (dict(compile=1), ["compile=1", "True or False"]),
    (dict(tensorboard="yes"), ["tensorboard='yes'", "True or False"]),
    (
        dict(model=DiTConfig(null_class=False)),
        ["label_dropout=0.2", "null_class=False", "both or neither"],
    ),
    (
        dict(model=DiTConfig(), label_dropout=0),
        ["label_dropout=0", "null_class=True", "both or neither"],
    ),
]


@pytest.mark.parametrize(
    ("changes", "said"),
    WRONG_RUNS,
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_wrong_run_is_refused_with_field_value_and_way_out(changes, said):
    with pytest.raises(ConfigError) as error:
        TrainConfig(**changes)
    for words in said:
        assert words in str(error.value)


def test_a_config_error_is_a_value_error():
    with pytest.raises(
        ValueError, match="sampler='foo' is not known; choose one of: heun"
    ):
        choose("sampler", "foo", CHOICES["sampler"])


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_model_of_its_name(name):
    config = preset(name)
    if name == "digits":
        assert (config.image_size, config.channels, config.num_classes) == (8, 1, 10)
    else:
        assert (config.image_size, config.channels, config.num_classes) == (32, 4, 1000)
        assert config.patch_size == int(name.split("/")[1])


def test_the_sizes_are_those_of_the_paper():
    sizes = {
        name: (c.depth, c.width, c.heads)
        for name in ("S/2", "B/2", "L/2", "XL/2")
        for c in [preset(name)]
    }
    assert sizes == {
        "S/2": (12, 384, 6),
        "B/2": (12, 768, 12),
        "L/2": (24, 1024, 16),
        "XL/2": (28, 1152, 16),
    }


def test_a_preset_takes_changes_and_refuses_unknown_ones():
    assert preset("S/2", image_size=64, qk_norm=True) == dataclasses.replace(
        preset("S/2"), image_size=64, qk_norm=True
    )
    with pytest.raises(
        ConfigError,
        match=r"preset='XS/2' is not known; choose one of: S/2.*\(did you mean 'S/2'\?\)",
    ):
        preset("XS/2")
    with pytest.raises(
        ConfigError, match=r"'colour'.*a model has the fields image_size, channels"
    ):
        preset("S/2", colour=3)


def test_derived_numbers_follow_from_the_fields():
    config = DiTConfig(
        image_size=32,
        channels=3,
        patch_size=4,
        width=64,
        heads=4,
        path="ddpm",
        objective="eps",
        learn_variance=True,
    )
    assert (config.grid, config.tokens, config.head_width, config.out_channels) == (
        8,
        64,
        16,
        6,
    )


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DiTConfig().width = 8


@pytest.mark.parametrize("name", RECIPES)
def test_fields_left_open_take_the_recipe_of_the_data(name):
    config = TrainConfig(data=name)
    assert {field: getattr(config, field) for field in RECIPES[name]} == RECIPES[name]
    assert TrainConfig(data=name, steps=7, lr=0.1).steps == 7


@pytest.mark.parametrize("name", RECIPES)
def test_budget_cpu_has_a_recipe_of_its_own(name):
    config, recipe = (
        TrainConfig(data=name, budget="cpu"),
        CPU_RECIPES.get(name, RECIPES[name]),
    )
    assert {field: getattr(config, field) for field in recipe} == recipe
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert TrainConfig(
        data=name, budget="cpu", changes={"depth": 2}
    ).changes == recipe.get("changes", {}) | {"depth": 2}
    assert TrainConfig(data=name, budget="cpu", preset="S/2").changes == {}, (
        "a size that was asked for stays what it is"
    )


def test_the_warm_up_of_a_recipe_is_at_most_a_tenth_of_the_run():
    warmups = {
        steps: TrainConfig(data="digits", steps=steps).warmup
        for steps in (1, 20, 49, 300, 500, 9000)
    }
    assert warmups == {1: 0, 20: 2, 49: 4, 300: 30, 500: 50, 9000: 50}
    assert TrainConfig(data="digits", steps=20, warmup=20).warmup == 20


def test_a_run_saves_now_and_then_unless_it_is_told_otherwise():
    found = {
        steps: TrainConfig(steps=steps).save_every for steps in (1, 12, 300, 10**6)
    }
    assert found == {1: 1, 12: 1, 300: 30, 10**6: 1000}
    assert TrainConfig(save_every=0).save_every == 0


def test_a_run_that_begins_from_another_has_no_model_of_its_own():
    config = TrainConfig(init_from=Path("runs/a"), budget="cpu", data="cifar10")
    assert (config.init_from, config.preset, config.changes) == ("runs/a", None, {})
    assert config.steps == CPU_RECIPES["cifar10"]["steps"]


def test_whole_numbers_of_numpy_are_whole_numbers():
    model = DiTConfig(
        width=np.int64(32), depth=np.uint8(2), position_extent=np.int32(4)
    )
    run = TrainConfig(model=model, steps=np.int64(7), seed=np.int16(3))
    assert TrainConfig.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    assert {
        type(value)
        for value in (
            model.width,
            model.depth,
            model.position_extent,
            run.steps,
            run.seed,
        )
    } == {int}
    with pytest.raises(ConfigError, match="must be a whole number"):
        DiTConfig(width=np.float64(32))


def test_a_folder_takes_the_cifar10_recipe():
    assert TrainConfig(data="my/photos") == dataclasses.replace(
        TrainConfig(data="cifar10"), data="my/photos"
    )


def test_a_path_is_as_good_as_its_name():
    assert TrainConfig(data=Path("my/photos"), out=Path("runs/a")) == TrainConfig(
        data="my/photos", out="runs/a"
    )


MODELS = [
    DiTConfig(),
    DiTConfig(attention=["full", "local", "local", "full"], attention_window=5),
    DiTConfig(condition="caption", vocab_size=50, caption_length=8),
    DiTConfig(
        condition="caption",
        vocab_size=50,
        caption_length=3,
        caption_parts=("class", "words", "words"),
    ),
    DiTConfig(conditioning="adaln_zero_cross", global_share=[0, 0.5, 1, 1]),
    DiTConfig(
        condition="features", caption_length=9, feature_width=4, token_scales=[2, 4]
    ),
    DiTConfig(condition="features", caption_length=77, feature_width=512),
    DiTConfig(
        num_classes=2,
        class_names=("cat", "dog"),
        qk_norm=True,
        position="rope",
        null_class=False,
        position_extent=3,
    ),
    preset(
        "XL/2",
        path="ddpm",
        objective="eps",
        learn_variance=True,
        conditioning="adaln",
        data_mean=-0.25,
        data_std=0.3,
    ),
]


def test_a_list_of_one_kind_of_attention_is_that_kind():
    assert DiTConfig(attention=["local"] * 4) == DiTConfig(attention="local")


def test_a_configuration_of_before_conditions_is_one_of_labels():
    new = ("condition", "vocab_size", "caption_length", "feature_width")
    new += ("attention_window",)
    old = {k: v for k, v in DiTConfig().to_dict().items() if k not in new}
    assert DiTConfig.from_dict(old) == DiTConfig()


@pytest.mark.parametrize("config", MODELS)
def test_a_model_configuration_survives_json(config):
    assert DiTConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        *(
            TrainConfig(
                model=m, label_dropout=0.1 * m.null_class, lr=1e-3, out="runs/a"
            )
            for m in MODELS
        ),
    ],
)
def test_a_run_configuration_survives_json(config):
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("kind", [DiTConfig, TrainConfig])
def test_a_field_of_another_version_is_named(kind):
    with pytest.raises(ConfigError, match="colour"):
        kind.from_dict(kind().to_dict() | {"colour": 3})
