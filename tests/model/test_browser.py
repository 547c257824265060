import numpy as np
import pytest
import torch

from dit_lite import DiT, DiTConfig, load
from dit_lite.model import to_browser


def test_weights_are_those_of_the_model_rounded_to_float16():
    model = load("digits")
    config, weights = to_browser(model)
    assert weights.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert weights[name].dtype == np.float16
        np.testing.assert_array_equal(weights[name], value.half().numpy())
    assert sum(array.nbytes for array in weights.values()) <= 1_000_000
    assert {
        name: getattr(model.config, name) for name in config if name != "class_names"
    } == {k: v for k, v in config.items() if k != "class_names"}
    assert config["class_names"] == [str(k) for k in range(10)]


def test_classes_without_names_are_numbered():
    assert to_browser(DiT(DiTConfig(width=8, heads=2, num_classes=3)))[0][
        "class_names"
    ] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "change",
    [
        {"conditioning": "film"}, {"position": "rope"}, {"position_extent": 2},
        {"qk_norm": True}, {"mlp": "swiglu"}, {"long_skips": True},
        {"null_class": False}, {"path": "cosine"}, {"objective": "eps"},
        {"learn_variance": True, "path": "ddpm", "objective": "eps"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_the_page_cannot_run_is_named(change):
    field = next(iter(change))
    with pytest.raises(
        ValueError,
        match=rf"{field}={change[field]!r}: the forward pass of the page supports {field}=",
    ):
        to_browser(DiT(DiTConfig(width=16, heads=2, **change)))


@pytest.mark.parametrize("value", [1e5, float("nan")])
def test_weights_beyond_float16_are_named(value):
    model = DiT(DiTConfig(width=8, heads=2))
    torch.nn.init.constant_(model.embed.bias, value)
    with pytest.raises(
        ValueError,
        match=r"embed.bias has values up to .*; float16 holds finite ones up to 65504",
    ):
        to_browser(model)


def captioned(**changes) -> DiT:
    sizes = dict(
        width=8, heads=2, depth=1, conditioning="adaln_zero_cross", condition="caption",
        vocab_size=3, caption_length=4, words=("", "red", "circle"),
    )  # fmt: skip
    return DiT(DiTConfig(**sizes | changes))


def test_a_model_of_captions_brings_its_words():
    config, weights = to_browser(captioned())
    assert config["condition"] == "caption"
    assert config["words"] == ["", "red", "circle"]
    assert config["caption_length"] == 4
    assert "num_classes" not in config
    assert weights["condition.caption.word.weight"].shape == (3, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": ()}, r"words=\(\): the page needs to know which word has which id"),
        ({"conditioning": "adaln_zero"}, "conditioning='adaln_zero': .*_cross' only"),
        ({"base_width": 8}, "base_width=8: .* supports base_width=None only"),
        (
            dict(condition="features", feature_width=3, vocab_size=None, words=()),
            "condition='features': .* supports 'label' and 'caption'",
        ),
    ],
)
def test_captions_that_the_page_cannot_run_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        to_browser(captioned(**changes))
