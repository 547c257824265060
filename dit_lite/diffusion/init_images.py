"""Images that sampling starts from, and the pixels of them that are kept."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from .guidance import unchanged
from .paths import PATHS
from .units import to_model_units


class InitImages:
    """Images to edit: noised to a time on the path, and sampled from there.

    images (B, C, H, W) in [-1,1]; `strength` in (0,1], the share of the way to pure
    noise: near 0 keeps the image, 1 forgets it (SDEdit, 2108.01073); `known` (H, W) or
    (B, H, W) bool, the pixels that are kept, or None. Raises TypeError for images that
    are not floats or a mask that is not bool, ValueError for another shape or range,
    for NaN, and for a strength outside (0,1].
    """

    def __init__(
        self, images: Tensor, strength: float = 1.0, known: Tensor | None = None
    ):
        self.images, self.strength, self.known = (
            _images(images),
            _strength(strength),
            None,
        )
        if known is not None:
            self.known = _mask(known, self.images)  # (B, 1, H, W)

    def split(self, size: int) -> list[Self]:
        """Parts of at most `size` images."""
        masks = (
            [None] * -(-len(self.images) // size)
            if self.known is None
            else [part[:, 0] for part in self.known.split(size)]
        )
        return [
            InitImages(part, self.strength, mask)
            for part, mask in zip(self.images.split(size), masks, strict=True)
        ]

    def check_fits(self, config, count: int) -> None:
        """Raise ValueError unless there is one image of the model's size for each of
        `count` labels, and for a model of latents.
        """
        if config.autoencoder:
            raise ValueError(
                f"this model draws latents of {config.autoencoder!r}, but images are "
                "edited in pixels; use a model of pixels"
            )
        expected = (count, config.channels, config.image_size, config.image_size)
        if tuple(self.images.shape) != expected:
            raise ValueError(
                f"images have shape {tuple(self.images.shape)}; this model and "
                f"{count} labels need {expected}: one image per label, resized to "
                "the model's size"
            )

    def start(
        self, config, noise: Tensor, first: float
    ) -> tuple[float, Tensor, Callable[[Tensor, float], Tensor]]:
        """Where sampling starts instead of at `noise` (B, C, H, W) and time `first`:
        the time, the state there, and a function (x, t) -> x that puts the noised
        images into the known pixels of what the model sees. That is enough, since a
        sampler treats each pixel by itself.
        """
        path = PATHS[config.path]
        self.check_fits(config, len(noise))
        x0 = to_model_units(self.images.to(noise), config)  # (B, C, H, W)

        def noised(t: float) -> Tensor:
            return path.mix(
                x0, noise, torch.tensor([t], dtype=torch.float64, device=noise.device)
            )

        start = self.strength * first + (1 - self.strength) * path.last
        # like `sample`, which starts from noise alone even where a(first) > 0
        x = noise if self.strength == 1 else noised(start)
        return (
            start,
            x,
            unchanged if self.known is None else lambda x, t: self.impute(x, noised(t)),
        )

    def impute(self, x: Tensor, images: Tensor) -> Tensor:
        """x with the known pixels of `images`; both (B, C, H, W)."""
        return (
            x
            if self.known is None
            else torch.where(self.known.to(x.device), images.to(x), x)
        )


def _strength(strength: float) -> float:
    if (
        isinstance(strength, bool)
        or not isinstance(strength, (int, float))
        or not 0 < strength <= 1
    ):
        raise ValueError(
            f"strength={strength!r} must be a number above 0 and at most 1: near "
            "0 keeps the image, 1 forgets it"
        )
    return float(strength)


def _images(images: Tensor) -> Tensor:
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(
            f"images are {kind}; expected a tensor of floats in [-1,1]: "
            "torch.as_tensor(images).float() / 127.5 - 1"
        )
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (B, C, H, W) "
            "with at least one image"
        )
    if not images.isfinite().all():
        raise ValueError(
            f"images hold NaN or infinity in {int((~images.isfinite()).sum())} "
            "values; repair them before editing"
        )
    low, high = (value.item() for value in images.aminmax())
    if low < -1.001 or high > 1.001:
        way_out = (
            "these look like [0,255]: use images / 127.5 - 1"
            if low >= 0
            else "use images.clamp(-1, 1)"
        )
        raise ValueError(
            f"images lie in [{low:.4g}, {high:.4g}]; expected [-1,1]; {way_out}"
        )
    return images


def _mask(known: Tensor, images: Tensor) -> Tensor:
    if not isinstance(known, Tensor) or known.dtype != torch.bool:
        kind = known.dtype if isinstance(known, Tensor) else type(known).__name__
        raise TypeError(
            f"known is {kind}; expected a bool tensor, True where a pixel is "
            "kept: for example mask > 0.5"
        )
    count, _, height, width = images.shape
    if tuple(known.shape) not in ((height, width), (count, height, width)):
        raise ValueError(
            f"known has shape {tuple(known.shape)}; expected {(height, width)} "
            f"for all images, or {(count, height, width)}"
        )
    return known.expand(count, height, width)[:, None]
