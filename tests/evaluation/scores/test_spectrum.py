import cmath
import math

import pytest
import torch

from dit_lite.diffusion import paths
from dit_lite.evaluation import radial_spectrum, real_images, visible_frequency


def test_it_is_the_transform_written_out():
    image = torch.randn(
        1, 1, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    power, count = [0.0] * 4, [0] * 4
    for u in range(-3, 3):
        for v in range(-3, 3):
            ring = round(math.hypot(u, v))
            if ring > 3:
                continue
            terms = (
                image[0, 0, y, x].item()
                * cmath.exp(-2j * math.pi * (u * y + v * x) / 6)
                for y in range(6)
                for x in range(6)
            )
            power[ring] += abs(sum(terms)) ** 2 / 36
            count[ring] += 1
    expected = [p / c for p, c in zip(power, count, strict=True)]
    found = radial_spectrum(image)
    assert found.frequency.tolist() == [0, 1, 2, 3]
    assert found.power.tolist() == pytest.approx(expected)


def test_white_noise_has_its_variance_at_every_frequency():
    noise = 0.5 * torch.randn(
        400, 3, 16, 16, generator=torch.Generator().manual_seed(0)
    )
    assert radial_spectrum(noise).power.tolist() == pytest.approx([0.25] * 9, rel=0.1)


@pytest.mark.parametrize("cycles", [0, 1, 3, 7, 8])
def test_a_wave_has_its_power_at_its_frequency(cycles):
    wave = torch.cos(2 * math.pi * cycles * torch.arange(16.0) / 16).expand(
        1, 1, 16, 16
    )
    power = radial_spectrum(wave).power
    assert power.argmax() == cycles
    assert power.sum() == pytest.approx(power.max().item())


def test_the_visible_frequency_of_a_power_law_is_where_signal_and_noise_meet():
    frequency = torch.arange(33)
    spectrum = radial_spectrum(torch.zeros(1, 1, 64, 64))._replace(
        power=100 / frequency.double().clamp(min=0.5) ** 2
    )
    alpha, sigma = torch.tensor([0.5, 0.9, 0.2]), torch.tensor([0.5, 0.45, 0.98])
    assert visible_frequency(spectrum, alpha, sigma).tolist() == pytest.approx(
        (10 * alpha / sigma).tolist(), rel=0.02
    )
    assert visible_frequency(spectrum, 1.0, 0.0) == 32
    assert visible_frequency(spectrum, 0.0, 1.0) == 0
    assert visible_frequency(spectrum, 0.9, 0.1) == 32


def test_images_become_visible_from_coarse_to_fine_and_white_noise_all_at_once():
    t = torch.linspace(0.02, 0.98, 25)
    alpha, sigma = paths.Linear().alpha_sigma(t)
    digits = visible_frequency(radial_spectrum(real_images("train")[0]), alpha, sigma)
    assert (digits.diff() <= 0).all()
    assert len(digits.unique()) > 10
    flat = radial_spectrum(torch.zeros(1, 1, 8, 8))._replace(
        power=torch.ones(5).double()
    )
    assert set(visible_frequency(flat, alpha, sigma).tolist()) == {0.0, 4.0}


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.ones(2, 1, 4, 6), r"\(2, 1, 4, 6\); expected"),
        (torch.ones(1, 1, 4, 4) / 0, "NaN or infinity"),
    ],
)
def test_images_without_a_spectrum_are_refused(images, said):
    with pytest.raises(ValueError, match=said):
        radial_spectrum(images)
