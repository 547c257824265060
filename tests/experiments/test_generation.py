import pytest
import torch

from dit_lite.experiments.generation.guidance_scale import spread
from dit_lite.experiments.generation.spectra import found


def test_spread_is_the_mean_distance_of_pairs_within_a_class():
    features = torch.tensor([[0.0, 0], [3, 4], [0, 0], [100, 0], [100, 2]])
    assert spread(features, torch.tensor([0, 0, 0, 1, 1])) == pytest.approx(
        ((5 + 5 + 0) / 3 + 2) / 2
    )


def test_what_is_found_is_all_of_the_truth_none_of_an_empty_image_and_less_of_another():
    x, other = torch.randn(2, 50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert found(x, x) == pytest.approx([1.0] * 5)
    assert found(torch.zeros_like(x), x) == pytest.approx([0.0] * 5)
    assert max(found(other, x)) < 0
    coarse = x.mean((2, 3), keepdim=True).expand_as(x)
    assert found(coarse, x) == pytest.approx([1, 0, 0, 0, 0], abs=1e-6)
