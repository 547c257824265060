"""Noise that belongs to an image, not to a batch: image i of a seed is the same alone,
among a thousand, and however they are divided into batches.
"""

import torch
from torch import Tensor

#: 2^32 over the golden ratio: the step whose multiples keep furthest apart (Knuth,
#: TAOCP 3, 6.4), so that no image of a seed is also one of a nearby seed.
APART = 0x9E3779B9


class ImageNoise:
    """Standard normal noise (count, *shape), drawn anew at each call, for each image
    from its own generator, that of `seed` and its index, `first` to `first + count -
    1`.

    It is drawn on the CPU in float32, so that it is the same for every device and
    dtype.
    """

    def __init__(self, seed: int, count: int, shape: tuple[int, ...], first: int = 0):
        self.shape = tuple(shape)
        self.generators = [
            torch.Generator().manual_seed((seed + index * APART) % 2**63)
            for index in range(first, first + count)
        ]

    def __call__(self) -> Tensor:
        return torch.stack(
            [torch.randn(self.shape, generator=own) for own in self.generators]
        )
