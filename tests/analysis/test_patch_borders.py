import pytest
import torch

from dit_lite.analysis import border_roughness


def test_white_noise_has_no_seams():
    images = torch.randn(400, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert border_roughness(images, 2) == pytest.approx(1, abs=0.03)


def test_constant_patches_are_all_seam():
    patches = torch.randn(4, 3, 2, 2).repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert border_roughness(patches, 4) == float("inf")
    assert border_roughness(patches + 0.1 * torch.randn(4, 3, 8, 8), 4) > 20


def test_jumps_are_found_at_the_borders_alone():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8).clone()
    assert border_roughness(ramp, 2) == pytest.approx(1)
    # a step of 2 at the border between columns 3 and 4, where all others are 1
    ramp[..., 4:] += 1
    assert border_roughness(ramp, 4) == pytest.approx(4)


@pytest.mark.parametrize("patch_size", [1, 8, 3])
def test_patches_without_borders_or_inside_are_refused(patch_size):
    with pytest.raises(ValueError, match=f"patch_size={patch_size}"):
        border_roughness(torch.zeros(1, 1, 8, 8), patch_size)
