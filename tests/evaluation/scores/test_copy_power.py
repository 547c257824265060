"""What the search for copies finds, compared with what is known about the alterations."""

import pytest
import torch

from dit_lite.evaluation import (
    copy_power,
    found_by_distance,
    found_by_ratio,
    normalised,
    real_images,
    share_at_most,
)


@pytest.fixture(scope="module")
def digits():
    return real_images("train")[0], real_images("test")[0]


def test_the_ratio_finds_exact_copies_and_little_noise_and_misses_the_rest(digits):
    found = copy_power(found_by_ratio, digits[0], count=100)
    assert found["none"] == 1
    assert found["noise 0.05"] > 0.95
    assert found["noise 0.05"] > found["noise 0.1"] > found["noise 0.2"] == 0
    for missed in ("contrast 0.8", "blur", "shift by a pixel"):
        assert found[missed] == 0


def test_an_image_stored_twice_hides_its_copies_from_the_ratio_not_the_distance(digits):
    train, held = digits

    def near(made, train):
        return found_by_distance(made, train, held)

    assert copy_power(found_by_ratio, train, count=100, twice=True)["none"] == 0
    assert copy_power(near, train, count=100, twice=True)["none"] == 1


def test_normalised_images_no_longer_know_contrast_and_brightness(digits):
    images = digits[0][:5]
    torch.testing.assert_close(normalised(images * 0.7 + 0.2), normalised(images))
    found = copy_power(found_by_ratio, digits[0], normalised, count=100)
    assert found["contrast 0.8"] == 1


def test_the_distance_calls_one_held_out_image_in_a_hundred_a_copy(digits):
    train, held = digits
    found = found_by_distance(held, train, held)
    assert found.double().mean().item() == pytest.approx(0.01, abs=0.005)


def test_the_bound_is_the_share_at_which_none_is_found_once_in_twenty():
    for count, power in ((100, 1.0), (1000, 0.37)):
        most = share_at_most(count, power)
        assert (1 - most * power) ** count == pytest.approx(0.05)
    assert share_at_most(2000) == pytest.approx(3 / 2000, rel=0.01)  # the rule of three
    assert share_at_most(2, 0.01) == 1
    with pytest.raises(ValueError, match="says nothing"):
        share_at_most(100, 0)
