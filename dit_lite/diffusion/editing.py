"""Editing images with a model that only learned to generate them: start from the noised
image, or keep a part of it.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from .init_images import InitImages
from .sampling import sample


def edit(
    model: nn.Module,
    images: Tensor,
    labels: Sequence[int] | Tensor,
    strength: float = 0.6,
    **how,
) -> Tensor:
    """Image to image: noise the pictures to `strength` of the way to pure noise, and
    sample from there with `labels`.

    images (B, C, H, W) in [-1,1], labels (B,), `how` the other arguments of `sample`;
    all `steps` are taken on the shortened trajectory. Returns images (B, C, H, W) in
    [-1,1]. Near strength 0 they are the given ones, at 1 those of `sample` with the
    same seed.
    Raises TypeError or ValueError for images of another type, size or range, a strength
    outside (0,1], and what `sample` refuses. Source: SDEdit, 2108.01073 alg. 1, where
    the strength is called t0.
    """
    return sample(model, labels, init_images=InitImages(images, strength), **how)


def inpaint(
    model: nn.Module,
    images: Tensor,
    known: Tensor,
    labels: Sequence[int] | Tensor,
    strength: float = 1.0,
    **how,
) -> Tensor:
    """Fill in the unknown pixels: at every time the model's input is the noised image
    in the known pixels, and the sampler's own state elsewhere.

    images (B, C, H, W) in [-1,1], `known` (H, W) or (B, H, W) bool, True where a pixel
    is kept; labels (B,), `how` the other arguments of `sample`. Returns images (B, C,
    H, W) in [-1,1] whose known pixels are exactly the given ones. At strength 1 the
    other pixels of `images` are ignored; below 1 filling starts from them, so that a
    second call on the result, at 0.5 say, fits it better to the known pixels: RePaint
    repeats its steps for the same reason. Raises TypeError or ValueError for a mask of
    another type or shape, and for what `edit` refuses. Source: 2011.13456 app. I.2 for
    the replacement, 2201.09865 for its repetition.
    """
    return sample(model, labels, init_images=InitImages(images, strength, known), **how)
