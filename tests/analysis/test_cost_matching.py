import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small_models import configs

from dit_lite import ConfigError, flops, preset
from dit_lite.analysis import match_cost
from dit_lite.config import CHOICES

SMALL = preset("S/2", image_size=32, channels=3, num_classes=10)


def total(config, by):
    return getattr(flops(config)["total"], by)


@pytest.mark.parametrize("patch", [1, 4, 8])
def test_equal_multiply_adds_at_another_patch(patch):
    found = match_cost(SMALL, by="macs", patch_size=patch).config
    assert found.patch_size == patch
    assert total(found, "macs") == pytest.approx(total(SMALL, "macs"), rel=0.05)
    assert (found.width > SMALL.width) == (patch > SMALL.patch_size)


@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
def test_equal_parameters_of_every_conditioning(conditioning):
    by_width = match_cost(SMALL, conditioning=conditioning).config
    assert total(by_width, "parameters") == pytest.approx(
        total(SMALL, "parameters"), rel=0.05
    )


@given(configs, st.sampled_from(["parameters", "macs"]))
def test_a_model_is_the_best_match_of_its_own_cost(config, by):
    found = match_cost(config, by)
    assert found.mismatch == 0
    assert total(found.config, by) == total(config, by)


@given(configs, st.floats(1.0, 50.0))
def test_no_neighbour_is_closer(config, ratio):
    target = ratio * total(config, "parameters")
    found = match_cost(config, target=target, tolerance=9.0)
    step = 4 * config.heads
    for width in (found.config.width - step, found.config.width + step):
        assume(width > 0)
        other = total(
            preset("digits", **(config.to_dict() | {"width": width})), "parameters"
        )
        assert abs(other / target - 1) >= abs(found.mismatch) - 1e-12


def test_the_target_is_a_number_or_the_model_itself():
    other = preset("B/2", image_size=32, channels=3, num_classes=10, depth=12, heads=6)
    ten_million = match_cost(SMALL, target=10_000_000)
    assert ten_million.config == match_cost(other, target=1e7).config
    assert match_cost(SMALL).config == SMALL


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: match_cost(SMALL, by="speed"), ["by='speed'", "parameters, macs"]),
        (lambda: match_cost(SMALL, target=-1), ["target=-1", "positive"]),
        (lambda: match_cost(SMALL, width=64), ["width=64", "leave it out"]),
        (lambda: match_cost(SMALL, colour="red"), ["colour", "patch_size"]),
        (lambda: match_cost(SMALL, patch_size=5), ["patch_size=5", "image_size=32"]),
        (
            lambda: match_cost(SMALL, target=10),
            ["target=10", "width=12", "tolerance=0.05"],
        ),
    ],
)
def test_wrong_questions_are_answered_with_the_way_out(call, words):
    with pytest.raises(ConfigError) as error:
        call()
    assert all(word in str(error.value) for word in words), str(error.value)
