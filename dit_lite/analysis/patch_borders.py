"""Do the borders of patches show in an image?"""

from torch import Tensor

from ..config.arguments import checked


@checked
def border_roughness(images: Tensor, patch_size: int) -> float:
    """Mean squared jump between neighbouring pixels across borders of patches, over
    that inside patches.

    images (n, C, H, W). Compare the value of generated images with that of real ones,
    since images have structure of their own at these places. Raises ValueError when no
    neighbours lie inside a patch, or none across a border (P = 1, P = H).
    """
    size = images.shape[-1]
    if not 1 < patch_size < size or size % patch_size:
        raise ValueError(
            f"patch_size={patch_size} has no borders inside an image of {size} "
            "pixels, or no neighbours inside a patch"
        )
    across, inside = [], []
    for axis in (-1, -2):
        # (size-1,): one per boundary of pixels
        jumps = (
            images.diff(dim=axis)
            .square()
            .mean([d for d in range(4) if d != images.ndim + axis])
        )
        border = [i for i in range(size - 1) if (i + 1) % patch_size == 0]
        across.append(jumps[border].mean())
        inside.append(jumps[[i for i in range(size - 1) if i not in border]].mean())
    return (sum(across) / sum(inside)).item()
